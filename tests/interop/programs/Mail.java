// Sends a file by SMTP, waits for it by IMAP's IDLE, reads it by IMAP and by POP3 and deletes it; once for each form of TLS.
// Arguments: folder, user, password, then five for each form: its name, its ports for SMTP, IMAP and POP3, the subject.

import com.sun.mail.imap.IMAPFolder;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import javax.mail.AuthenticationFailedException;
import javax.mail.Flags;
import javax.mail.Folder;
import javax.mail.Message;
import javax.mail.Session;
import javax.mail.Store;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;

public class Mail {
    static final String TIMEOUT = "60000";

    public static void main(String[] arguments) throws Exception {
        for (int at = 3; at < arguments.length; at += 5) {
            String[] ports = {arguments[at + 1], arguments[at + 2], arguments[at + 3]};
            new Mail(Path.of(arguments[0]), arguments[1], arguments[2], arguments[at], ports).run(arguments[at + 4]);
        }
    }

    final Path folder;
    final String user;
    final String password;
    final String form;
    final String suffix;
    final Session session;

    Mail(Path folder, String user, String password, String form, String[] ports) {
        this.folder = folder;
        this.user = user;
        this.password = password;
        this.form = form;
        this.suffix = form.equals("implicit") ? "s" : "";
        Properties settings = new Properties();
        String[] protocols = {"smtp", "imap", "pop3"};
        for (int each = 0; each < protocols.length; each++) {
            String prefix = "mail." + protocols[each] + suffix + ".";
            settings.setProperty(prefix + "host", "localhost");
            settings.setProperty(prefix + "port", ports[each]);
            settings.setProperty(prefix + "auth", "true");
            settings.setProperty(prefix + "timeout", TIMEOUT);
            settings.setProperty(prefix + "starttls.enable", Boolean.toString(form.equals("starttls")));
            settings.setProperty(prefix + "starttls.required", Boolean.toString(form.equals("starttls")));
        }
        session = Session.getInstance(settings);
    }

    void run(String subject) throws Exception {
        expectRefusal();
        try (Store store = session.getStore("imap" + suffix)) {
            store.connect(user, password);
            IMAPFolder inbox = (IMAPFolder) store.getFolder("INBOX");
            inbox.open(Folder.READ_WRITE);
            int before = inbox.getMessageCount();
            Thread sender = new Thread(this::send);
            sender.start();
            while (inbox.getMessageCount() == before) {
                inbox.idle(true);
            }
            sender.join();
            keep(find(inbox, subject), "imap");
            inbox.close(false);
        }
        try (Store store = session.getStore("pop3" + suffix)) {
            store.connect(user, password);
            Folder inbox = store.getFolder("INBOX");
            inbox.open(Folder.READ_WRITE);
            Message message = find(inbox, subject);
            keep(message, "pop3");
            message.setFlag(Flags.Flag.DELETED, true);
            inbox.close(true);
        }
    }

    void expectRefusal() throws Exception {
        for (String protocol : new String[] {"imap", "pop3"}) {
            try (Store store = session.getStore(protocol + suffix)) {
                store.connect(user, "wrong");
                throw new IllegalStateException("a wrong password was taken by " + protocol);
            } catch (AuthenticationFailedException expected) {
                System.out.println(expected.getMessage());
            }
        }
    }

    void send() {
        try (InputStream file = Files.newInputStream(folder.resolve(form + ".eml"));
                Transport transport = session.getTransport("smtp" + suffix)) {
            MimeMessage message = new MimeMessage(session, file);
            transport.connect(user, password);
            transport.sendMessage(message, InternetAddress.parse(user));
        } catch (Exception failure) {
            failure.printStackTrace();
            System.exit(1);
        }
    }

    Message find(Folder inbox, String subject) throws Exception {
        for (Message message : inbox.getMessages()) {
            if (subject.equals(message.getSubject())) {
                return message;
            }
        }
        throw new IllegalStateException("no message " + subject);
    }

    void keep(Message message, String protocol) throws Exception {
        try (OutputStream file = Files.newOutputStream(folder.resolve(form + "." + protocol))) {
            message.writeTo(file);
        }
    }
}
