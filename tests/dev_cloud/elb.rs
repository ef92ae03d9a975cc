//! ELBv2's control plane: what AWS takes, what it refuses and in which words, and how it reads back what it has taken.
//!
//! Most tests here write requests as forms, since much of what AWS refuses cannot be said through an SDK.

use std::time::Duration;

use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions};

use super::support::{Rig, empty, options};

mod attributes;
mod balancers;
mod groups;
mod listeners;
mod quotas;
mod rules;
mod states;
mod targets;

/// The seed's world with nothing in it, and forms to ask it with.
struct Asked {
    rig: Rig,
    http: reqwest::Client,
}

/// An answer: its status and its document.
struct Told {
    status: u16,
    body: String,
}

impl Asked {
    async fn start() -> Self {
        Self::with(options(), empty()).await
    }

    async fn with(options: DevOptions, seed: Seed) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { rig: Rig::on(DevCloud::start(options).await.unwrap(), seed, Duration::from_millis(20)).await, http }
    }

    /// The answer to a form, in which `{blue}`, `{green}`, `{balancer}`, `{listener}`, `{vpc}`, `{a}` and `{b}` stand
    /// for the seed's groups, load balancer, listener, VPC and subnets.
    async fn ask(&self, form: &str) -> Told {
        let world = &self.rig.world;
        let mut form = form.to_owned();
        for (name, value) in [
            ("{blue}", &world.target_groups[0]),
            ("{green}", &world.target_groups[1]),
            ("{balancer}", &world.load_balancers[0]),
            ("{listener}", &world.listeners[0]),
            ("{vpc}", &world.vpc),
            ("{a}", &world.subnets[0]),
            ("{b}", &world.subnets[1]),
        ] {
            form = form.replace(name, value);
        }
        let credential =
            "AWS4-HMAC-SHA256 Credential=K/20260101/eu-west-1/elasticloadbalancing/aws4_request, Signature=0";
        let request = self.http.post(self.rig.cloud.url()).header("authorization", credential).body(form);
        let answer = request.send().await.unwrap();
        Told { status: answer.status().as_u16(), body: answer.text().await.unwrap() }
    }

    /// The answer, which must be no refusal.
    async fn does(&self, form: &str) -> Told {
        let told = self.ask(form).await;
        assert_eq!(told.status, 200, "{form}: {}", told.body);
        told
    }

    /// The form must be refused with this code and exactly this message.
    async fn refuses(&self, form: &str, code: &str, message: &str) {
        let told = self.ask(form).await;
        let refusal = (told.status, told.first("Code"), told.first("Message"));
        let unescaped = refusal.2.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&");
        assert_eq!((refusal.0, refusal.1.as_str(), unescaped.as_str()), (400, code, message), "{form}");
    }

    /// The form must be refused with this code.
    async fn refuses_with(&self, form: &str, code: &str) {
        let told = self.ask(form).await;
        assert_eq!((told.status, told.first("Code").as_str()), (400, code), "{form}: {}", told.body);
    }

    async fn end(self) {
        self.rig.cloud.shutdown().await;
    }
}

impl Told {
    /// The text of the first element of this name; nothing where there is none.
    fn first(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// The texts of all elements of this name.
    fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.body.split(&open).skip(1);
        parts.filter_map(|part| part.split(&close).next().map(str::to_owned)).collect()
    }

    /// The value of an attribute.
    fn attribute(&self, key: &str) -> String {
        let after = self.body.split(&format!("<Key>{key}</Key><Value>")).nth(1);
        after.and_then(|after| after.split("</Value>").next()).unwrap_or("no such attribute").to_owned()
    }
}
