//! Which calls meet a fault, and how faults are written.

use super::*;

fn faults(faults: impl IntoIterator<Item = Fault>) -> Faults {
    Faults::new(faults, Chance::of_seed(1))
}

fn pattern(fault: Fault, calls: usize) -> String {
    let faults = faults([fault]);
    (0..calls).map(|_| if faults.meet("elbv2", "ModifyRule", false).is_some() { 'x' } else { '.' }).collect()
}

#[test]
fn a_fault_hits_every_nth_call_after_a_skip_and_only_so_often() {
    assert_eq!(pattern(Fault::throttle("*"), 4), "xxxx");
    assert_eq!(pattern(Fault::throttle("elbv2:*").every(3), 7), "..x..x.");
    assert_eq!(pattern(Fault::throttle("elbv2:ModifyRule").after(2).times(1), 5), "..x..");
    assert_eq!(pattern(Fault::throttle("*:Modify*").times(0), 3), "...");
}

#[test]
fn a_fault_leaves_other_operations_alone() {
    let faults = faults([Fault::lose_answer("elbv2:ModifyRule")]);
    assert_eq!(faults.meet("elbv2", "DescribeRules", true), None);
    assert_eq!(faults.meet("ec2", "ModifyRule", false), None);
    assert_eq!(faults.meet("elbv2", "ModifyRule", false), Some(FaultKind::LoseAnswer));
}

#[test]
fn only_calls_that_read_are_stale() {
    let faults = faults([Fault::stale("*", Duration::from_secs(1))]);
    assert_eq!(faults.meet("elbv2", "ModifyRule", false), None);
    assert_eq!(faults.meet("elbv2", "DescribeRules", true), Some(FaultKind::Stale(Duration::from_secs(1))));
    assert_eq!((faults.list()[0].seen, faults.list()[0].met), (1, 1), "a call that writes is not counted");
}

#[test]
fn probability_is_decided_by_the_seed() {
    let met = |seed| {
        let faults = Faults::new([Fault::throttle("*").probability(0.3)], Chance::of_seed(seed));
        (0..1000).map(|_| faults.meet("ec2", "RunInstances", false).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(met(7), met(7));
    assert_ne!(met(7), met(8));
    let hits = met(7).into_iter().filter(|met| *met).count();
    assert!((250..350).contains(&hits), "{hits}");
}

#[test]
fn what_is_written_on_the_command_line_is_read_back_as_it_was() {
    for text in [
        "elbv2:ModifyRule=throttle,every=3",
        "ec2:RunInstances=error,status=500,code=InternalError,message=try again,times=1",
        "elbv2:Describe*=stale,by=5000ms,probability=0.25",
        "*=lose-answer,after=2",
        "ec2:*=delay,by=20ms",
        "route53:*=delay-effect,by=20ms",
        "sts:GetCallerIdentity=reset",
        "s3:PutObject=reset-after-effect",
    ] {
        assert_eq!(text.parse::<Fault>().map(|fault| fault.to_string()), Ok(text.to_owned()));
    }
}

#[test]
fn mistakes_are_named() {
    for (text, named) in [
        ("throttle", "says no kind"),
        ("elbv2:ModifyRool=throttle", "matches no operation"),
        ("elb:ModifyRule=throttle", "elbv2, ec2"),
        ("*=explode", "no kind of fault"),
        ("*=throttle,by=2s", "`by` is of"),
        ("*=stale", "needs `by`"),
        ("*=stale,by=2h", "longer than 3600 s"),
        ("*=delay,by=-1s", "negative"),
        ("*=error", "needs `code`"),
        ("*=error,code=X,status=200", "400 to 599"),
        ("*=throttle,code=X", "of the kind `error`"),
        ("*=throttle,every=0", "at least 1"),
        ("*=throttle,every=x", "no number"),
        ("*=throttle,often=1", "no field"),
        ("*=throttle,probability=1.5", "0 to 1"),
        ("*=throttle,probability=NaN", "0 to 1"),
    ] {
        let said = text.parse::<Fault>().expect_err(text);
        assert!(said.contains(named), "{text}: {said}");
    }
}

#[test]
fn a_mistake_in_a_file_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.yaml");
    std::fs::write(&file, "faults:\n  - { calls: \"*\", kind: throttle }\n  - { calls: \"*\", kind: explode }\n")
        .unwrap();
    let said = load(&file).unwrap_err().to_string();
    assert!(said.contains("line 3") && said.contains("explode"), "{said}");
    std::fs::write(&file, "faults:\n  - { calls: \"*\", kind: throttle }\n").unwrap();
    assert_eq!(load(&file).unwrap(), [Fault::throttle("*")]);
}
