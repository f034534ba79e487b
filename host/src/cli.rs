//! The command line: what it takes, and what its exit codes mean.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use url::Url;
use vedette_core::OrgId;

use crate::{
    commands::{self, audit::Verification, login::Login, new::Language},
    config::Config,
    logging,
};

/// The recorded outcome was not reached again (`EX_SOFTWARE` of `sysexits`).
pub(crate) const EXIT_DIFFERENT: u8 = 70;

/// Wrong usage, and configuration that cannot be used (`EX_USAGE` of `sysexits`).
pub(crate) const EXIT_USAGE: u8 = 64;

#[derive(Parser)]
#[command(
    name = "vedette",
    version,
    about = "Watches websites and APIs with checks that you write."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process: API, scheduler, runner.
    #[command(
        after_help = "Example:\n  vedette serve\n  vedette serve --config config/production.toml"
    )]
    Serve(ConfigArguments),
    /// Show it all: a target that goes down and comes back, and a check from each template.
    #[command(after_help = "Example:\n  vedette demo\nIt keeps nothing; Ctrl-C ends it.")]
    Demo {
        /// End by itself after so many seconds.
        #[arg(long = "for", value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Make a folder with a check to start from.
    #[command(
        after_help = "Example:\n  vedette new js shop\n  vedette new rust shop\n\
        It takes no network, and tells what to do next.\n\
        Exit code: 0 made, 1 it could not be written, 64 wrong usage."
    )]
    New {
        /// What it is to be written in.
        language: Language,
        /// Letters, digits, `-` and `_`: the folder that is made here, and a package of Cargo.
        name: String,
    },
    /// Run one check here, in the same sandbox with the same limits as the server.
    #[command(
        after_help = "Example:\n  vedette check monitor.js --param url=https://example.com/\n  vedette check monitor.wasm\n\
        Exit code: 0 success, 1 failure, 2 error or timeout, 64 wrong usage."
    )]
    Check(CheckArguments),
    /// Run a recorded run again: the same answers, the same time, no network.
    #[command(
        after_help = "Example:\n  vedette check monitor.js --record run.json\n  vedette replay run.json\n  \
        vedette replay run.json --script edited.js\n\
        Exit code: that of `vedette check`; 64 wrong usage, or a recording that cannot be used;\n\
        70 the recorded script came to another outcome, or parts of its run were not recorded."
    )]
    Replay(ReplayArguments),
    /// Make a component of a check: it can be uploaded, and runs wherever components do.
    #[command(
        after_help = "Example:\n  vedette build monitor.js -o monitor.wasm\n  vedette check monitor.wasm"
    )]
    Build {
        /// A `.js`, `.mjs`, `.ts` or `.mts` file.
        file: PathBuf,
        /// Where to write the component.
        #[arg(short, long, value_name = "FILE.wasm")]
        output: PathBuf,
    },
    /// Sign a component, or make the key for it.
    #[command(after_help = "Example:\n  vedette sign --new-key release.pem\n  \
        vedette sign monitor.wasm --key release.pem\n\
        Keys are Ed25519 in PKCS#8, as `openssl genpkey -algorithm ed25519` makes them.")]
    Sign {
        /// The component. Its signature is written to standard output, in base64.
        #[arg(required_unless_present = "new_key", requires = "key")]
        file: Option<PathBuf>,
        /// The private key, in PEM.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Make a private key in this file; its public key is written to standard output, in base64.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "key"])]
        new_key: Option<PathBuf>,
    },
    /// What a component imports and exports, and whether a server would take it.
    #[command(after_help = "Example:\n  vedette inspect monitor.wasm\n\
        Exit code: 0 accepted, 1 refused, 2 it could not be tried, 64 wrong usage.")]
    Inspect {
        /// A WebAssembly component.
        file: PathBuf,
        /// One JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
    /// What the egress guard says.
    #[command(subcommand)]
    Egress(EgressCommand),
    /// Measure the figures of docs/PERFORMANCE.md here and now.
    #[cfg(feature = "bench")]
    #[command(after_help = "Example:\n  vedette bench --json")]
    Bench {
        /// One flat JSON object instead of a table.
        #[arg(long)]
        json: bool,
        /// A million runs more, for the growth of memory: some minutes.
        #[arg(long)]
        soak: bool,
        /// Also how long this component takes from its bytes to the first run, and its runs; it
        /// has to get along with one answer, `200 ok`.
        #[arg(long = "component", value_name = "FILE.wasm")]
        components: Vec<PathBuf>,
    },
    /// Look after an installation; a server may run meanwhile.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Sign in to a server: what `vedette api` does is done by a key that is made now.
    #[command(after_help = "Example:\n  vedette login https://vedette.example.com\n\
        The key is kept in vedette/login.toml in the folder of your settings, for your eyes only.")]
    Login {
        /// The server's address; plain HTTP only on this machine.
        server: Url,
        /// The name or the e-mail address. It is asked for if it is not given.
        #[arg(long)]
        username: Option<String>,
        /// Take the password from standard input, and a code of the second factor from its next line.
        #[arg(long, requires = "username")]
        password_stdin: bool,
        /// How long the key is good, in days.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3_650))]
        days: u16,
    },
    /// End the key that `vedette login` made, and forget it.
    Logout,
    /// One call of the API, as whoever signed in.
    #[command(after_help = "Example:\n  vedette api GET scripts\n  \
        vedette api POST scripts/0197…/run\n\
        Exit code: 0 for an answer of 2xx, 1 for any other, 64 wrong usage.")]
    Api {
        /// GET, POST, PUT or DELETE.
        method: String,
        /// Behind /api/v1/, or with a slash in front the whole path.
        path: String,
        /// The body, in JSON.
        #[arg(long, value_name = "JSON")]
        data: Option<String>,
    },
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Bring the database's schema up to date and end.
    #[command(after_help = "Example:\n  VEDETTE_DATABASE__URL=postgres://… vedette migrate")]
    Migrate(ConfigArguments),
}

#[derive(Args)]
pub(crate) struct ConfigArguments {
    /// Settings over the defaults; the environment goes over both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port of the API.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Database, keys and the compiled engine.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// A check: `.js` or `.mjs` is JavaScript, `.ts` or `.mts` is TypeScript, `.wasm` a component.
    pub(crate) file: PathBuf,
    /// A parameter; the value is JSON if it parses as JSON, else text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// All parameters as a JSON object; `--param` goes over it.
    #[arg(long = "params", value_name = "JSON")]
    pub(crate) parameters_json: Option<String>,
    /// A variable of the run.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Time limit of the run, in seconds, such as 10 or 10s.
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: String,
    /// A network that the check may reach although it is not public, such as 127.0.0.0/8.
    #[arg(long = "allow", value_name = "CIDR")]
    pub(crate) allow: Vec<IpNet>,
    /// One JSON object instead of text for people.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep what the run is told in a file for `vedette replay`. It holds what the target answers,
    /// but no value of a variable.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// A recording, of `vedette check --record` or of a server.
    pub(crate) file: PathBuf,
    /// Another script instead of the recorded one.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// The value of a variable, which no recording has.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// One JSON object instead of text for people.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum EgressCommand {
    /// The guard's verdict for a URL before any packet, with the rule.
    #[command(after_help = "Example:\n  vedette egress explain http://0x7f.1/\n\
        Exit code: 0 allowed, 1 denied, 64 wrong usage.")]
    Explain {
        /// A URL, or `-` for one a line from standard input.
        url: String,
        /// A network to allow, such as 10.1.0.0/16.
        #[arg(long = "allow", value_name = "CIDR")]
        allow: Vec<IpNet>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Wrap the keys of all organizations by the master key whose name sorts last.
    #[command(after_help = "Example:\n  vedette admin rotate-master-key --new-key\n\
        It can be repeated at any time. docs/operations.md says when an old key may go.")]
    RotateMasterKey {
        #[command(flatten)]
        config: ConfigArguments,
        /// Make a master key first, in the data directory. Where several servers share a database,
        /// give all of them the file of a new key instead, and run this without the option.
        #[arg(long)]
        new_key: bool,
    },
    /// Give an organization a new key, and encrypt its secrets anew.
    #[command(
        after_help = "Example:\n  vedette admin rotate-data-key --organization 0197…\n\
        It can be repeated at any time."
    )]
    RotateDataKey {
        #[command(flatten)]
        config: ConfigArguments,
        /// Its id, as `GET /api/v1/users/me` gives it to its members.
        #[arg(long, value_name = "ID")]
        organization: OrgId,
    },
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Read all chains of the audit log and say what was tampered with; a server may run meanwhile.
    #[command(
        after_help = "Example:\n  vedette audit verify --checkpoints kept-elsewhere.jsonl\n\
        Exit code: 0 nothing was found, 1 something was, 2 it could not be tried, 64 wrong usage."
    )]
    Verify {
        #[command(flatten)]
        config: ConfigArguments,
        /// Checkpoints that were kept elsewhere, instead of the file of `audit.checkpoint_file`.
        #[arg(long, value_name = "FILE")]
        checkpoints: Option<PathBuf>,
        /// Only the chain of this organization.
        #[arg(long, value_name = "ID")]
        organization: Option<OrgId>,
        /// One JSON object a chain instead of text for people.
        #[arg(long)]
        json: bool,
    },
}

impl ConfigArguments {
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        Config::load(
            self.config.as_deref(),
            self.listen.as_deref(),
            self.data_dir.as_deref(),
        )
    }
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no mistakes. Nothing can be done if even this cannot print.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let ended = match arguments.command {
        Command::Serve(arguments) => with_config(&arguments, commands::serve::serve),
        Command::Migrate(arguments) => with_config(&arguments, commands::migrate::migrate),
        Command::Admin(AdminCommand::RotateMasterKey { config, new_key }) => {
            with_config(&config, |config| {
                commands::admin::rotate_master_key(config, new_key)
            })
        }
        Command::Admin(AdminCommand::RotateDataKey {
            config,
            organization,
        }) => with_config(&config, |config| {
            commands::admin::rotate_data_key(config, organization)
        }),
        Command::Login {
            server,
            username,
            password_stdin,
            days,
        } => commands::login::login(&Login {
            server,
            username,
            from_stdin: password_stdin,
            days,
        }),
        Command::Logout => commands::login::logout(),
        Command::Api { method, path, data } => commands::api::api(&method, &path, data.as_deref()),
        Command::Audit(AuditCommand::Verify {
            config,
            checkpoints,
            organization,
            json,
        }) => {
            let wanted = Verification {
                checkpoints,
                organization,
                json,
            };
            with_config(&config, |config| {
                Ok(commands::audit::verify(config, &wanted))
            })
        }
        Command::Demo { seconds } => commands::demo::demo(seconds),
        Command::New { language, name } => commands::new::new(language, &name),
        Command::Check(arguments) => commands::check::check(&arguments),
        Command::Build { file, output } => commands::build::build(&file, &output),
        Command::Sign { file, key, new_key } => Ok(commands::sign::sign(
            file.as_deref(),
            key.as_deref(),
            new_key.as_deref(),
        )),
        Command::Inspect { file, json } => commands::inspect::inspect_component(&file, json),
        Command::Replay(arguments) => commands::replay::replay(&arguments),
        Command::Egress(EgressCommand::Explain { url, allow, json }) => {
            commands::egress::explain(&url, allow, json)
        }
        #[cfg(feature = "bench")]
        Command::Bench {
            json,
            soak,
            components,
        } => commands::bench::bench(json, soak, &components),
    };
    ended.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn with_config(
    arguments: &ConfigArguments,
    command: impl FnOnce(&Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    match arguments.load() {
        Ok(config) => match logging::start(&config.log) {
            Ok(()) => command(&config),
            Err(error) => {
                complain(&format!("{error:#}"));
                Ok(ExitCode::from(EXIT_USAGE))
            }
        },
        Err(error) => {
            complain(&format!("{error:#}"));
            Ok(ExitCode::from(EXIT_USAGE))
        }
    }
}

/// A line for whoever called.
#[expect(clippy::print_stderr, reason = "this is what a command line is for")]
pub(crate) fn complain(text: &str) {
    eprintln!("vedette: {text}");
}

/// A line of output.
#[expect(clippy::print_stdout, reason = "this is what a command line is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
