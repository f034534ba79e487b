//! Mails that tell users what became of their accounts, so that what somebody else does with one is
//! seen by its owner.

use vedette_store::User;

use crate::{ApiState, client_address::ClientAddress, mail::Mail};

/// What became of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// By who had the old one.
    PasswordChanged,
    /// By a link, or a token of an administrator.
    PasswordSet,
    /// Somebody can sign in by a provider from now on.
    IdentityAdded,
}

impl Notice {
    fn subject(self) -> &'static str {
        match self {
            Self::PasswordChanged | Self::PasswordSet => "Your password for Vedette was changed",
            Self::IdentityAdded => "A new way to sign in to Vedette",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::PasswordChanged => "Its password was changed, by somebody who gave the old one.",
            Self::PasswordSet => "Its password was set anew, by the link of a mail or a token.",
            Self::IdentityAdded => "An identity provider was added, by which to sign in to it.",
        }
    }
}

/// Tells a user, where mail is set up. Like every mail it is sent in the background.
pub(crate) fn tell(state: &ApiState, user: &User, notice: Notice, from: ClientAddress) {
    let Some(outbox) = &state.outbox else {
        return;
    };
    let text = format!(
        "This is about your account {name} at {base}\n\n\
         {sentence}\n\
         It came from {origin} at {at}.\n\n\
         If it was not you, ask for a new password at once, and tell the administrator.\n",
        name = user.username,
        base = outbox.link(""),
        sentence = notice.sentence(),
        origin = from.described(),
        at = state.clock.now().format("%Y-%m-%d %H:%M UTC"),
    );
    let mail = Mail {
        to: user.email.clone(),
        subject: notice.subject(),
        text,
    };
    outbox.post(async move { Some(mail) });
}
