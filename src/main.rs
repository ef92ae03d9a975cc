//! The `switchback` program: parse, run, map the outcome to an exit code; nothing else.

fn main() -> std::process::ExitCode {
    switchback::cli::main()
}
