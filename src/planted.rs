//! Bugs on purpose, to show that the simulation finds them.
//!
//! Each is a mistake that a release tool has made, or one that the rules of this house forbid. The places where they
//! would be made ask `bug`, which is always false unless the feature `planted-bugs` is on and a simulation has
//! planted that bug on its own thread. What is released is built without that feature.

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The flip counts as done when AWS has accepted it.
    SkipReadBack,
    /// So does the way back.
    SkipReadBackOfRollback,
    /// The retention starts at AWS's 200: nothing looks whether the data plane has followed
    /// (argoproj/argo-rollouts#3333).
    RetainAtTheAnswer,
    /// What cannot be told counts as converged (argo-rollouts, `VerifyWeight`).
    UnknownIsConverged,
    /// A run that lost its lease goes on (argoproj/argo-rollouts#2117).
    NoFencing,
    /// An expired lease is never taken over (bikeindex/bike_index#4313).
    LeaseForEver,
    /// Who takes over does not wait for the calls of the run before.
    NoSettling,
    /// Who takes over goes on with what it saw before.
    NoLookAfterTakeover,
    /// A call is sent however long ago it was announced.
    NoSendDeadline,
    /// Calls are made without writing down what is about to happen (spinnaker/orca#3181).
    NoIntent,
    /// An entry of somebody else counts as one's own.
    ConflictIsCommit,
    /// A repeated put that meets its own entry counts as a conflict.
    OwnEntryIsConflict,
    /// The color without traffic is sent without its weight, which AWS takes for 1.
    OmitZeroWeight,
    /// The flip goes over 50:50 (a killed script left the traffic there).
    FlipInTwoSteps,
    /// The flip does not wait for health (spinnaker/spinnaker#6973).
    FlipUnhealthy,
    /// Old targets are deregistered with the flip (kubernetes-sigs/aws-load-balancer-controller#3621).
    DeregisterWithTheFlip,
    /// Whatever somebody else wrote is overwritten (aws/containers-roadmap#2853).
    OverwriteForeign,
    /// Right before a write nothing is compared.
    NoCompareBeforeWrite,
    /// A rollback does not look at where it goes back to (fluxcd/flagger#1931).
    RollbackToTheDead,
    /// The retention timer is not looked at (argoproj/argo-rollouts#3774).
    RetireAtOnce,
    /// A teardown trusts the journal about where the traffic is (spinnaker/spinnaker#4895).
    TeardownFromCache,
    /// Nothing waits for the traffic to leave before a teardown (argoproj/argo-rollouts#4595).
    TeardownWithoutQuiet,
    /// Targets that drain are terminated.
    TerminateWhileDraining,
    /// Instances of others on the idle color are taken down too (asiaq#124).
    TakeDownStrangers,
    /// An abort takes the live color down (argoproj/argo-rollouts#1292).
    AbortTakesLive,
    /// Every launch has a token of its own.
    NoClientToken,
    /// An undone release is over while its launch may still come (DemocracyClub/WhoCanIVoteFor#855).
    ForgetLateLaunch,
    /// A run that ends keeps its lease, and renews nothing.
    KeepTheLease,
    /// A rollback takes back only what is in progress: a release that has succeeded is none.
    NoWayBackOnceRetained,
    /// The previous color is taken down as soon as its retention begins.
    DrainWhileRetained,
    /// Healthy is good enough: what the smoke checks say is not looked at.
    SkipSmoke,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::SkipReadBack,
        Self::SkipReadBackOfRollback,
        Self::RetainAtTheAnswer,
        Self::UnknownIsConverged,
        Self::NoFencing,
        Self::LeaseForEver,
        Self::NoSettling,
        Self::NoLookAfterTakeover,
        Self::NoSendDeadline,
        Self::NoIntent,
        Self::ConflictIsCommit,
        Self::OwnEntryIsConflict,
        Self::OmitZeroWeight,
        Self::FlipInTwoSteps,
        Self::FlipUnhealthy,
        Self::DeregisterWithTheFlip,
        Self::OverwriteForeign,
        Self::NoCompareBeforeWrite,
        Self::RollbackToTheDead,
        Self::RetireAtOnce,
        Self::TeardownFromCache,
        Self::TeardownWithoutQuiet,
        Self::TerminateWhileDraining,
        Self::TakeDownStrangers,
        Self::AbortTakesLive,
        Self::NoClientToken,
        Self::ForgetLateLaunch,
        Self::KeepTheLease,
        Self::NoWayBackOnceRetained,
        Self::DrainWhileRetained,
        Self::SkipSmoke,
    ];

    /// The bug of this name, as `Debug` writes it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
    }
}

/// Whether this bug is planted on this thread.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn bug(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
pub use planting::plant;

#[cfg(feature = "planted-bugs")]
pub(crate) use planting::bug;

#[cfg(feature = "planted-bugs")]
mod planting {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants one bug on this thread, or none; nothing else is planted any more.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted on this thread.
    pub(crate) fn bug(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(all(test, feature = "planted-bugs"))]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_planted_on_one_thread_alone() {
        plant(Some(Bug::NoFencing));
        assert!(bug(Bug::NoFencing) && !bug(Bug::NoIntent));
        std::thread::spawn(|| assert!(!bug(Bug::NoFencing))).join().expect("it only looks");
        plant(None);
        assert!(Bug::ALL.into_iter().all(|planted| !bug(planted)));
    }

    #[test]
    fn every_bug_is_found_by_its_name() {
        assert!(Bug::ALL.into_iter().all(|bug| Bug::named(&format!("{bug:?}")) == Some(bug)));
        assert_eq!(Bug::named("none"), None);
    }
}
