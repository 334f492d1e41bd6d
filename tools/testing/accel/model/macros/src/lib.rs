// SPDX-License-Identifier: GPL-2.0

//! The kernel's attributes, as far as they matter outside of it.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// A struct whose fields are made in place: just a struct.
#[proc_macro_attribute]
pub fn pin_data(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    without_pins(item)
}

/// Takes each `#[pin]` out.
fn without_pins(tokens: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inside = without_pins(group.stream());
                kept.push(TokenTree::Group(Group::new(Delimiter::Brace, inside)));
            }
            TokenTree::Group(group) if group.stream().to_string() == "pin" => {
                kept.pop();
            }
            token => kept.push(token),
        }
    }
    kept.into_iter().collect()
}

/// A trait whose functions may be missing: just a trait.
#[proc_macro_attribute]
pub fn vtable(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// The kernel's own tests run in the kernel.
#[proc_macro_attribute]
pub fn kunit_tests(_arguments: TokenStream, _item: TokenStream) -> TokenStream {
    TokenStream::new()
}
