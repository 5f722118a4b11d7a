use proptest::prelude::*;

use super::*;

/// What a session needs that outlives its token.
const LOGIN: Margin = Margin::Least(Duration::from_secs(600));

const START: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(START + seconds)
}

fn token(obtained: u64, life: u64) -> Token {
    Token {
        access: Secret::from("access"),
        expires_at: at(obtained + life),
        refresh: None,
        scope: None,
        account: None,
    }
}

fn failure(class: Class) -> Failure {
    Failure::new(class, "no", "Do")
}

fn land(settle: Option<Settle>, slot: &Slot, fetched: Result<Token, Miss>, now: SystemTime) {
    let _ = settle.unwrap().with(slot, fetched, now);
}

/// A slot whose token was obtained at 0 and lives so long.
fn holding(life: u64) -> Slot {
    let slot = Slot::default();
    let (settle, _) = slot.ask(at(0), LOGIN);
    land(settle, &slot, Ok(token(0, life)), at(0));
    slot
}

fn generation(answer: Answer) -> Option<u64> {
    match answer {
        Answer::Now(Ok((held, _))) => Some(held.generation),
        Answer::Now(Err(_)) | Answer::Later(_) | Answer::Rather(..) => None,
    }
}

#[test]
fn while_a_request_is_under_way_nobody_else_makes_one() {
    let slot = Slot::default();
    let (settle, _) = slot.ask(at(0), LOGIN);
    assert!(settle.is_some());
    for second in 0..1000 {
        let (another, answer) = slot.ask(at(second), LOGIN);
        assert!(another.is_none() && matches!(answer, Answer::Later(_)));
    }
}

#[test]
fn a_request_whose_task_has_died_is_made_again() {
    let slot = Slot::default();
    drop(slot.ask(at(0), LOGIN));
    let (settle, _) = slot.ask(at(0), LOGIN);
    assert!(settle.is_some());

    let slot = holding(3600);
    drop(slot.ask(at(2000), LOGIN));
    let (settle, answer) = slot.ask(at(2000), LOGIN);
    assert!(settle.is_some());
    assert_eq!(generation(answer), Some(1));
}

#[tokio::test]
async fn who_waits_for_a_request_whose_task_died_is_told_to_come_again() {
    let slot = Slot::default();
    let (settle, answer) = slot.ask(at(0), LOGIN);
    drop(settle);
    let Answer::Later(flight) = answer else { panic!("answers at once") };
    assert_eq!(flight.landed().await.unwrap_err().class, Class::Retry);
}

#[test]
fn a_long_life_is_renewed_at_its_half_and_a_short_one_early_enough() {
    for (life, renewed) in [(86_400, 43_200), (3600, 1800), (1800, 900), (1200, 300), (600, 150)] {
        let slot = holding(life);
        assert!(slot.ask(at(renewed - 1), LOGIN).0.is_none(), "{life}");
        let (settle, answer) = slot.ask(at(renewed), LOGIN);
        assert!(settle.is_some(), "{life}");
        assert_eq!(generation(answer), Some(1), "{life}");
    }
}

#[test]
fn a_renewal_under_way_answers_until_the_token_is_short() {
    let slot = holding(3600);
    let (settle, _) = slot.ask(at(1800), LOGIN);
    assert_eq!(generation(slot.ask(at(3000), LOGIN).1), Some(1));
    assert!(matches!(slot.ask(at(3001), LOGIN).1, Answer::Later(_)));
    land(settle, &slot, Ok(token(3001, 3600)), at(3001));
    assert_eq!(generation(slot.ask(at(3001), LOGIN).1), Some(2));
}

#[test]
fn each_service_gets_a_token_as_fresh_as_it_needs() {
    let margin = |minutes: u64| Margin::Least(Duration::from_secs(minutes * 60));
    for (margin, last_at_once) in
        [(margin(5), 3300), (margin(15), 2700), (margin(90), 1800), (Margin::Half, 1799)]
    {
        let slot = holding(3600);
        assert_eq!(generation(slot.ask(at(last_at_once), margin).1), Some(1), "{margin:?}");
        let (_, later) = slot.ask(at(last_at_once + 1), margin);
        assert_eq!(generation(later), None, "{margin:?}");
    }
}

#[test]
fn a_service_whose_sessions_end_with_the_token_would_rather_wait_but_need_not() {
    let slot = holding(3600);
    let (settle, answer) = slot.ask(at(1800), Margin::Half);
    assert!(settle.is_some());
    let Answer::Rather(_, held) = answer else { panic!("waits for good") };
    assert_eq!(held.generation, 1);
    land(settle, &slot, Err(Miss::Answered(failure(Class::Retry))), at(1801));
    assert_eq!(generation(slot.ask(at(1802), Margin::Half).1), Some(1), "until it is asked again");
    assert!(matches!(slot.ask(at(3590), Margin::Half).1, Answer::Later(_)));
}

#[test]
fn a_denial_is_reconsidered_at_once_and_a_token_is_not() {
    let slot = Slot::default();
    let (settle, _) = slot.ask(at(0), LOGIN);
    land(settle, &slot, Err(Miss::Answered(failure(Class::SignIn))), at(0));
    assert!(slot.ask(at(1), LOGIN).0.is_none());
    slot.reconsider();
    assert!(slot.ask(at(1), LOGIN).0.is_some());

    let slot = holding(3600);
    slot.reconsider();
    assert!(slot.ask(at(1), LOGIN).0.is_none());
}

#[test]
fn a_refused_token_with_its_successor_under_way_costs_no_request() {
    let slot = holding(3600);
    let (settle, _) = slot.ask(at(1800), LOGIN);
    assert_eq!(slot.refused(1, at(1800)), Again::Worthwhile);
    let (another, answer) = slot.ask(at(1800), LOGIN);
    assert!(another.is_none() && matches!(answer, Answer::Later(_)));
    land(settle, &slot, Err(Miss::Answered(failure(Class::Retry))), at(1801));
    assert!(matches!(slot.ask(at(1801), LOGIN).1, Answer::Now(Err(_))));
}

#[test]
fn a_failure_that_no_request_led_to_is_not_remembered() {
    let slot = Slot::default();
    let (settle, _) = slot.ask(at(0), LOGIN);
    land(settle, &slot, Err(Miss::Known(failure(Class::SignIn))), at(0));
    assert!(slot.ask(at(0), LOGIN).0.is_some());
}

#[test]
fn a_success_ends_the_backoff() {
    let slot = Slot::default();
    let mut now = 0;
    for _ in 0..5 {
        land(
            slot.ask(at(now), LOGIN).0,
            &slot,
            Err(Miss::Answered(failure(Class::Retry))),
            at(now),
        );
        now += 60;
    }
    land(slot.ask(at(now), LOGIN).0, &slot, Ok(token(now, 100)), at(now));
    now += 100;
    land(slot.ask(at(now), LOGIN).0, &slot, Err(Miss::Answered(failure(Class::Retry))), at(now));
    assert!(slot.ask(at(now + 4), LOGIN).0.is_none());
    assert!(slot.ask(at(now + 5), LOGIN).0.is_some());
}

proptest! {
    /// A mailbox that logs in every second, an authority that always grants.
    #[test]
    fn logins_get_a_live_token_and_the_authority_a_bounded_number_of_requests(life in 4_u64..20_000) {
        let slot = Slot::default();
        let mut requests = 0;
        for second in 0..40_000 {
            let now = at(second);
            let (settle, answer) = slot.ask(now, LOGIN);
            if let Answer::Now(Ok((held, _))) = &answer {
                prop_assert!(held.expires_at > now);
            }
            if let Some(settle) = settle {
                land(Some(settle), &slot, Ok(token(second, life)), now);
                requests += 1;
            }
        }
        prop_assert!(requests <= 1 + 40_000 / (life / 4), "{} requests", requests);
    }
}
