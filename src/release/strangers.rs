//! What somebody else has done, in words, and the commands that a person decides with.

use super::decide::Context;
use super::{Color, Problem, Traffic};

/// The command that takes the traffic as right where it is.
pub fn adopt_instead(env: &str, live: &Color) -> String {
    format!("switchback adopt {env} # takes the traffic on {live} as right")
}

/// The traffic is not where this release left it: somebody else wrote.
pub(super) fn foreign_writer(cx: &Context, expected: &Color, traffic: &Traffic) -> Problem {
    let mut run = match traffic {
        Traffic::Foreign { problem } => problem.run.clone(),
        Traffic::Only { color, .. } => vec![adopt_instead(&cx.env, color)],
        Traffic::Split { .. } | Traffic::Nowhere => Vec::new(),
    };
    run.push(format!("switchback status {} # prints the command that puts the traffic back", cx.env));
    Problem {
        saw: format!("{}, written by somebody else (Terraform, a console, another tool)", traffic.describe()),
        expected: format!("all traffic on {expected}, where this release left it"),
        run,
    }
}

/// Targets on the idle color that nobody handed over to us.
pub(super) fn not_ours(name: &str, env: &str, idle: &Color, strangers: &[&str]) -> Problem {
    Problem {
        saw: format!("{} is registered with {idle} and does not carry this environment's tags", strangers.join(", ")),
        expected: format!("only instances tagged switchback:environment={name} on the idle color"),
        run: vec![
            format!("switchback status {env}"),
            format!(
                "aws ec2 create-tags --resources {} --tags Key=switchback:environment,Value={name} \
                 Key=switchback:color,Value={idle} # hands them over",
                strangers.join(" "),
            ),
        ],
    }
}
