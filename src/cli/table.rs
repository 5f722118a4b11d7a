//! Text in columns.

/// The rows as lines, their cells aligned.
pub(super) fn columns<R: AsRef<[String]>>(rows: &[R]) -> String {
    let cells = || rows.iter().map(AsRef::as_ref);
    let count = cells().map(<[String]>::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widths = cells().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &[String]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} "));
        format!(" {}", padded.collect::<String>()).trim_end().to_owned() + "\n"
    };
    cells().map(line).collect()
}
