// SPDX-License-Identifier: GPL-2.0

//! `pin_init`: values that are made where they will lie. Here they are made and moved there.

pub trait PinInit<T, E> {
    fn init(self) -> Result<T, E>;
}

impl<T, E, F: FnOnce() -> Result<T, E>> PinInit<T, E> for F {
    fn init(self) -> Result<T, E> {
        self()
    }
}

#[macro_export]
macro_rules! try_pin_init {
    ($type:ident { $($fields:tt)* }) => { $crate::__fields!($type {} $($fields)*) };
}

#[macro_export]
macro_rules! pin_init {
    ($type:ident { $($fields:tt)* }) => { $crate::__fields!($type {} $($fields)*) };
}

/// Goes through the fields of a struct; `<-` stands before an initialiser.
#[macro_export]
macro_rules! __fields {
    ($type:ident { $($done:tt)* }) => {
        move || -> $crate::error::Result<$type> { Ok($type { $($done)* }) }
    };
    ($type:ident { $($done:tt)* } $field:ident <- $init:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(
            $type { $($done)* $field: $crate::init::PinInit::init($init)?, } $($($rest)*)?
        )
    };
    ($type:ident { $($done:tt)* } $field:ident : $value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!($type { $($done)* $field: $value, } $($($rest)*)?)
    };
    ($type:ident { $($done:tt)* } $field:ident $(, $($rest:tt)*)?) => {
        $crate::__fields!($type { $($done)* $field, } $($($rest)*)?)
    };
}

#[macro_export]
macro_rules! new_mutex {
    ($value:expr $(,)?) => {
        || -> $crate::error::Result<_> { Ok($crate::sync::Mutex::new($value)) }
    };
}

#[macro_export]
macro_rules! new_spinlock {
    ($value:expr $(,)?) => {
        || -> $crate::error::Result<_> { Ok($crate::sync::Mutex::new($value)) }
    };
}

#[macro_export]
macro_rules! new_srcu {
    () => {
        || -> $crate::error::Result<_> { Ok($crate::sync::Srcu::new()) }
    };
}

#[macro_export]
macro_rules! new_work {
    ($name:literal) => {
        || -> $crate::error::Result<_> { Ok($crate::workqueue::Work::new()) }
    };
}

#[macro_export]
macro_rules! nothing {
    ($($tokens:tt)*) => {};
}

#[macro_export]
macro_rules! current {
    () => {
        &$crate::task::Task
    };
}

#[macro_export]
macro_rules! dev_warn {
    ($device:expr, $($message:tt)*) => {{ let _ = ($device, format_args!($($message)*)); }};
}

#[macro_export]
macro_rules! dev_err {
    ($($message:tt)*) => { $crate::dev_warn!($($message)*) };
}

#[macro_export]
macro_rules! fmt {
    ($($message:tt)*) => { format_args!($($message)*) };
}
