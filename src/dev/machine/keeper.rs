//! Starts child processes that cannot outlive this one.
//!
//! Linux sends the "parent has died" signal when the *thread* that started a child ends, and a runtime may end its
//! threads at any time. So one thread starts all children and lives as long as the process.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Order {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts `command`; the child is killed when this process ends, however it ends.
///
/// # Errors
/// The program cannot be started.
pub(super) async fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = oneshot::channel();
    let order = Order { command, runtime: Handle::current(), reply };
    let gone = || io::Error::other("the thread that starts child processes has ended");
    thread().ok_or_else(gone)?.send(order).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

fn thread() -> Option<&'static mpsc::Sender<Order>> {
    static THREAD: OnceLock<Option<mpsc::Sender<Order>>> = OnceLock::new();
    THREAD
        .get_or_init(|| {
            let (sender, orders) = mpsc::channel::<Order>();
            let serve = move || {
                for Order { command, runtime, reply } in orders {
                    let _context = runtime.enter();
                    let child = ur_taking_me_with_you::spawn_dying_with_parent_async(command);
                    // Where nobody waits any more, the child is dropped here and killed by that.
                    let _ = reply.send(child);
                }
            };
            std::thread::Builder::new().name("machine keeper".into()).spawn(serve).ok().map(|_| sender)
        })
        .as_ref()
}
