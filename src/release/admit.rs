//! Whether a release may start: the last thing that is checked before anything is written.

use super::{Color, Event, Facts, Phase, Pins, Problem, Question, ReleaseId, State, Traffic};

/// What somebody asks to be released.
#[derive(Debug, Clone)]
pub struct Request {
    /// The id it gets if it starts.
    pub release: ReleaseId,
    /// The immutable image.
    pub image: String,
    /// How many instances the new color has.
    pub count: u32,
    /// Whether the new color may have fewer targets than the live one.
    pub accept_smaller: bool,
    /// What it is pinned to.
    pub pins: Pins,
    /// The environment's name.
    pub name: String,
    /// The environment as the user typed it.
    pub env: String,
}

/// The answer to a request.
#[expect(clippy::large_enum_variant, reason = "one value per run, matched at once and never stored")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Record this event: the release has started.
    Start(Event),
    /// The same image is on its way already: go on with it.
    Resume,
    /// The same image has the traffic already.
    AlreadyLive,
}

impl Request {
    /// The facts that [`admit`] needs of both colors; [`Self::questions_about_the_idle_color`] come after them.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = vec![Question::Traffic];
        for color in self.pins.groups.keys() {
            questions.push(Question::Targets(color.clone()));
            questions.push(Question::Instances(color.clone()));
        }
        questions
    }

    /// What [`admit`] needs besides, once it is known which color is idle: every rule is read for it.
    pub fn questions_about_the_idle_color(&self, facts: &Facts) -> Vec<Question> {
        let Some(Traffic::Only { color: live, .. }) = &facts.traffic else { return Vec::new() };
        self.pins.other(live).map(|idle| Question::References(idle.clone())).into_iter().collect()
    }
}

/// What becomes of a request, given the journal and the world.
///
/// # Errors
/// The [`Problem`] for which it is refused; nothing was changed then.
pub fn admit(state: &State, request: &Request, facts: &Facts) -> Result<Admission, Problem> {
    if let Some(resumable) = on_its_way(state, &request.image, &request.env) {
        return resumable.map(|()| Admission::Resume);
    }
    let (from, to) = sides(state, request, facts)?;
    if let Some(release) = &state.release
        && release.image == request.image
        && release.live() == from
        && release.to == *from
        && state.occupants.get(from).is_some_and(|o| o.release == release.id)
        && release.pins.template_version == request.pins.template_version
        && release.pins.template == request.pins.template
        && release.count == request.count
    {
        return Ok(Admission::AlreadyLive);
    }
    strangers(request, facts, to)?;
    senders(request, facts, to)?;
    let from_count = facts.targets.get(from).map_or(0, |t| t.healthy()) as u32;
    if request.count < from_count && !request.accept_smaller {
        return Err(Problem {
            saw: format!(
                "{from} carries the traffic with {from_count} healthy targets; {to} would have {}",
                request.count
            ),
            expected: "a new color that is not smaller than the live one".into(),
            run: vec![
                format!("raise `count` in {} to {from_count}", request.env),
                format!("switchback deploy {} --image {} --accept-smaller", request.env, request.image),
            ],
        });
    }
    Ok(Admission::Start(Event::ReleaseStarted {
        release: request.release.clone(),
        image: request.image.clone(),
        from: from.clone(),
        to: to.clone(),
        count: request.count,
        from_count,
        pins: request.pins.clone(),
    }))
}

/// Whether an unfinished release is in the way: it goes on if it is of the same image; `None` where there is none.
///
/// It needs nothing but the journal, so it is asked before anything else.
pub fn on_its_way(state: &State, image: &str, env: &str) -> Option<Result<(), Problem>> {
    let release = state.release.as_ref().filter(|r| !r.phase.is_settled())?;
    if release.image == image {
        return Some(Ok(()));
    }
    let run = match matches!(release.phase, Phase::Aborting | Phase::RollingBack) {
        true => vec![
            format!("switchback reconcile {env} # finishes undoing it"),
            format!("switchback deploy {env} --image {image} # then"),
        ],
        false => vec![
            format!("switchback deploy {env} --image {} # finishes it", release.image),
            format!("switchback abort {env} # undoes it"),
        ],
    };
    Some(Err(Problem {
        saw: format!("release {} of {} is unfinished: {}", release.id, release.image, release.phase.name()),
        expected: "one release at a time".into(),
        run,
    }))
}

/// The live color and the idle one, as the load balancer has them; refused where the journal knows better.
fn sides<'a>(state: &State, request: &'a Request, facts: &'a Facts) -> Result<(&'a Color, &'a Color), Problem> {
    let status = format!("switchback status {}", request.env);
    let Some(traffic) = &facts.traffic else {
        return Err(Problem::new("the traffic was not read", "a reading of the switch", status));
    };
    let live = match traffic {
        Traffic::Only { color, .. } => color,
        Traffic::Foreign { problem } => return Err(problem.clone()),
        Traffic::Split { .. } | Traffic::Nowhere => {
            return Err(Problem::new(
                traffic.describe(),
                "all traffic on one color, so that the other one is idle",
                format!("give one color weight 0 (`{status}` prints the command), then deploy again"),
            ));
        }
    };
    if let Some(release) = &state.release
        && matches!(release.phase, Phase::Retaining { .. } | Phase::RolledBack { .. })
        && release.live() != live
    {
        let run = vec![
            super::adopt_instead(&request.env, live),
            format!("{status} # prints the command that puts the traffic back"),
        ];
        return Err(Problem {
            saw: format!("all traffic goes to {live}, written by somebody else"),
            expected: format!("all traffic on {}, where release {} left it", release.live(), release.id),
            run,
        });
    }
    let idle = request.pins.other(live).ok_or_else(|| {
        Problem::new(format!("{live} is the only color"), "two colors", format!("switchback validate {}", request.env))
    })?;
    Ok((live, idle))
}

/// Targets on the idle color that are not ours are in the way: they are never replaced silently.
fn strangers(request: &Request, facts: &Facts, idle: &Color) -> Result<(), Problem> {
    let ours = facts.instances.get(idle).map(Vec::as_slice).unwrap_or_default();
    let strangers: Vec<&str> = facts
        .targets
        .get(idle)
        .into_iter()
        .flat_map(|t| t.registered())
        .filter(|t| !ours.iter().any(|i| i.id == t.id))
        .map(|t| t.id.as_str())
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    Err(super::strangers::not_ours(&request.name, &request.env, idle, &strangers))
}

/// A listener or a rule that sends to the idle color would send to its instances before they are checked.
fn senders(request: &Request, facts: &Facts, idle: &Color) -> Result<(), Problem> {
    let Some(references) = facts.references.get(idle) else {
        let saw = format!("the listeners and rules that send to {idle} were not read");
        return Err(Problem::new(saw, "a reading of all of them", format!("switchback status {}", request.env)));
    };
    references.in_the_way(idle, &[], &request.env).map_or(Ok(()), Err)
}
