// SPDX-License-Identifier: GPL-2.0

//! One job on its way from its entry to its report.

use crate::context::Direction;
use crate::engine::kept;
use crate::engine::kept::CONTEXT_SIZE;
use crate::engine::kept::HEAD_SIZE;
use crate::engine::Outcome;
use crate::engine::Request;
use crate::engine::Search;
use crate::engine::Stream;
use crate::engine::StreamPart;
use crate::engine::Task;
use crate::engine::Window;
use crate::queue::Streams;
use crate::readings::Mild;
use crate::readings::Nonsense;
use crate::readings::Reading;
use crate::sgl;
use crate::sgl::Limits;
use crate::sgl::Malformed;
use crate::sgl::Reader;
use crate::sqe::Algorithm;
use crate::sqe::Buffers;
use crate::sqe::Report;
use crate::sqe::Sqe;
use crate::sqe::Status;
use crate::sqe::MAX_LENGTH;
use crate::transfer::Progress;
use crate::transfer::Segment;
use crate::transfer::Transfer;
use crate::transfer::Turn;

/// A request with this room for output, or less, is ignored.
const IGNORED_ROOM: u32 = 0x10;
/// Bytes of room for output that a request has to have.
const LEAST_ROOM: u32 = 200;

/// What the queue that a job belongs to is configured for.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Address space of the data, if not the function's own.
    pub pasid: Option<u32>,
    /// Which way, if the queue's type is known.
    pub direction: Option<Direction>,
    /// Prefer speed to size.
    pub fast: bool,
    /// What is read mildly of what the evidence leaves open.
    pub mild: Mild,
    /// What nonsense is drawn from.
    pub seed: u64,
    /// The only layout of entries.
    pub layout: u32,
    /// Whether there is a container that is none.
    pub raw_deflate: bool,
    /// What scatter lists may have.
    pub limits: Limits,
    /// Whether entries say how far back to look for repetitions.
    pub has_windows: bool,
    /// Whether it is as far as can be, whatever they say.
    pub whole_window: bool,
}

enum Stage {
    InputList(Reader),
    OutputList(Reader),
    OldContext(Transfer),
    Input(Transfer, Option<Box<StreamRef>>),
    Computing,
    /// Behind it comes this output.
    NewContext(Transfer, Report, Vec<u8>),
    Output(Transfer, Report),
    Done(Report),
}

/// The stream of a job, taken out of its queue's.
struct StreamRef {
    id: u64,
    stream: Box<Stream>,
}

/// What a job needs next.
pub enum Next {
    /// Another turn.
    Turn,
    /// The answer to a page request, or the end of the computation.
    Wait,
    /// A run of this task, and [`Job::computed`].
    Compute(Box<Task>),
    /// Nothing: it is over.
    Done(Report),
}

/// A job that was begun.
pub struct Job {
    /// Number of the job, unique over the life of the device.
    pub id: u64,
    /// Index of its entry.
    pub index: u16,
    /// Its entry.
    pub sqe: Sqe,
    setting: Setting,
    input: Vec<Segment>,
    output: Vec<Segment>,
    stage: Stage,
    /// What it failed in was to write.
    writes: bool,
}

impl Job {
    /// Begins the job that `sqe`, entry `index` of its queue, asks for.
    pub fn begin(id: u64, index: u16, sqe: Sqe, setting: Setting) -> Self {
        let mut job = Self {
            id,
            index,
            sqe,
            setting,
            input: Vec::new(),
            output: Vec::new(),
            stage: Stage::Computing,
            writes: false,
        };
        job.stage = match check(&job.sqe, setting) {
            Err(report) => Stage::Done(report),
            Ok(Buffers::Flat) => {
                let (input, room) = (job.sqe.input_length(), job.sqe.room());
                job.input = vec![Segment::new(job.sqe.input(), input as usize)];
                job.output = vec![Segment::new(job.sqe.output(), room as usize)];
                job.first_access()
            }
            Ok(Buffers::Lists) => read_list(setting, job.sqe.input(), Stage::InputList),
        };
        job
    }

    /// Whether its data is accessed by the function's own id: what it names is what the driver says.
    pub fn is_own(&self) -> bool {
        self.setting.pasid.is_none()
    }

    /// Whether it is known where its input is.
    pub fn knows_its_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether it is a write that was refused to it, if anything was.
    pub fn wanted_to_write(&self) -> bool {
        self.writes
    }

    /// What comes when it is known where the data is.
    fn first_access(&self) -> Stage {
        if !self.sqe.is_stream() {
            return self.fetch_input(None);
        }
        // Of a new one: whether there was another.
        let length = match self.sqe.is_new_stream() {
            true => HEAD_SIZE,
            false => CONTEXT_SIZE,
        };
        let context = vec![Segment::new(self.sqe.stream_context(), length)];
        Stage::OldContext(Transfer::fetch(self.setting.pasid, context))
    }

    fn fetch_input(&self, part: Option<Box<StreamRef>>) -> Stage {
        Stage::Input(
            Transfer::fetch(self.setting.pasid, self.input.clone()),
            part,
        )
    }

    /// Goes on as far as it goes.
    pub fn advance(&mut self, turn: &mut Turn<'_>, streams: &mut Streams) -> Next {
        loop {
            let (progress, fault) = match &mut self.stage {
                Stage::InputList(list) => (list.advance(turn), Status::InputFault),
                Stage::OutputList(list) => (list.advance(turn), Status::OutputFault),
                Stage::NewContext(transfer, ..) | Stage::OldContext(transfer) => {
                    (Ok(transfer.advance(turn)), Status::ContextFault)
                }
                Stage::Input(transfer, _) => (Ok(transfer.advance(turn)), Status::InputFault),
                Stage::Output(transfer, _) => (Ok(transfer.advance(turn)), Status::OutputFault),
                Stage::Computing => return Next::Wait,
                Stage::Done(report) => return Next::Done(*report),
            };
            match progress {
                Ok(Progress::TurnOver) => return Next::Turn,
                Ok(Progress::Waiting) => return Next::Wait,
                Ok(Progress::Fault) => self.fail(fault, streams),
                Err(Malformed) => self.fail(Status::BadList, streams),
                Ok(Progress::Done) => {
                    if let Some(task) = self.transferred(turn.queue, streams) {
                        return Next::Compute(task);
                    }
                }
            }
        }
    }

    /// Notes the answer to the request for page number `page` of the transfer under way.
    pub fn page_answer(&mut self, page: usize, granted: bool) {
        match &mut self.stage {
            Stage::InputList(list) | Stage::OutputList(list) => list.answer(page, granted),
            Stage::NewContext(transfer, ..)
            | Stage::OldContext(transfer)
            | Stage::Input(transfer, _)
            | Stage::Output(transfer, _) => transfer.answer(page, granted),
            Stage::Computing | Stage::Done(_) => {}
        }
    }

    /// Takes what the computation gave.
    pub fn computed(&mut self, outcome: Outcome) {
        let Outcome {
            report,
            output,
            context,
        } = outcome;
        if context.is_empty() {
            return self.deliver(report, output);
        }
        let place = vec![Segment::new(self.sqe.stream_context(), context.len())];
        let transfer = Transfer::deliver(self.setting.pasid, place, context);
        self.stage = Stage::NewContext(transfer, report, output);
    }

    fn deliver(&mut self, report: Report, output: Vec<u8>) {
        self.stage = if output.is_empty() {
            Stage::Done(report)
        } else {
            let room = std::mem::take(&mut self.output);
            Stage::Output(Transfer::deliver(self.setting.pasid, room, output), report)
        };
    }

    fn fail(&mut self, status: Status, streams: &mut Streams) {
        let stage = std::mem::replace(&mut self.stage, Stage::Done(Report::failure(status)));
        self.writes = matches!(stage, Stage::NewContext(..) | Stage::Output(..));
        // One that begins with this request has not begun.
        if let Stage::Input(_, Some(part)) = stage {
            if part.stream.kept().is_some() {
                streams.put(part.id, part.stream);
            }
        }
    }

    /// Goes from a stage whose transfer is done to the next one.
    fn transferred(&mut self, queue: u16, streams: &mut Streams) -> Option<Box<Task>> {
        match std::mem::replace(&mut self.stage, Stage::Computing) {
            Stage::InputList(list) => self.input_list_read(list.into_segments()),
            Stage::OutputList(list) => self.output_list_read(list.into_segments()),
            Stage::OldContext(transfer) if self.sqe.is_new_stream() => {
                kept::stream_of(transfer.data()).and_then(|id| streams.take(id));
                self.begin_stream();
            }
            Stage::OldContext(transfer) => self.resume_stream(transfer.data(), streams),
            Stage::NewContext(_, report, output) => self.deliver(report, output),
            Stage::Output(_, report) => self.stage = Stage::Done(report),
            Stage::Input(transfer, part) => return self.task(queue, transfer.into_data(), part),
            stage @ (Stage::Computing | Stage::Done(_)) => self.stage = stage,
        }
        None
    }

    fn input_list_read(&mut self, list: Vec<Segment>) {
        let length = self.sqe.input_length() as usize;
        self.stage = match sgl::cut(list, self.sqe.input_offset(), length) {
            Ok(input) => {
                self.input = input;
                read_list(self.setting, self.sqe.output(), Stage::OutputList)
            }
            Err(Malformed) => Stage::Done(Report::failure(Status::BadList)),
        };
    }

    fn output_list_read(&mut self, list: Vec<Segment>) {
        let room = self.sqe.room() as usize;
        self.stage = match sgl::cut(list, self.sqe.output_offset(), room) {
            Ok(output) => {
                self.output = output;
                self.first_access()
            }
            Err(Malformed) => Stage::Done(Report::failure(Status::BadList)),
        };
    }

    fn begin_stream(&mut self) {
        self.stage = match self.method() {
            Ok((direction, algorithm)) => {
                let Setting { mild, seed, .. } = self.setting;
                let open = (mild, Nonsense::new(seed));
                let search = self.search();
                let stream = Box::new(Stream::new(direction, algorithm, search, open));
                let part = Box::new(StreamRef {
                    id: self.id,
                    stream,
                });
                self.fetch_input(Some(part))
            }
            Err(status) => Stage::Done(Report::failure(status)),
        };
    }

    fn resume_stream(&mut self, context: &[u8], streams: &mut Streams) {
        let found = kept::stream_of(context).and_then(|id| Some((id, streams.take(id)?)));
        let Some((id, stream)) = found else {
            self.stage = Stage::Done(Report::failure(Status::NoStream));
            return;
        };
        self.stage = match self.may_resume(id, &stream, context) {
            Ok(()) => self.fetch_input(Some(Box::new(StreamRef { id, stream }))),
            Err(status) => {
                streams.put(id, stream);
                Stage::Done(Report::failure(status))
            }
        };
    }

    /// Whether all is there that the stream's last request left.
    fn may_resume(&self, id: u64, stream: &Stream, context: &[u8]) -> Result<(), Status> {
        let kept = stream.kept().filter(|kept| kept.context(id) == context);
        let kept = kept.ok_or(Status::NoStream)?;
        if self.method() != Ok((stream.direction(), stream.algorithm())) {
            return Err(Status::NoStream);
        }
        if kept.carried != self.sqe.carried() {
            return Err(Status::LostWords);
        }
        let empty = stream.direction() == Direction::Decompress && self.sqe.input_length() == 0;
        match empty && !kept.asks.may_be_empty() {
            true => Err(Status::Unasked),
            false => Ok(()),
        }
    }

    fn task(
        &mut self,
        queue: u16,
        input: Vec<u8>,
        part: Option<Box<StreamRef>>,
    ) -> Option<Box<Task>> {
        let (direction, algorithm) = match self.method() {
            Ok(method) => method,
            Err(status) => {
                self.stage = Stage::Done(Report::failure(status));
                return None;
            }
        };
        let last = self.sqe.is_last();
        Some(Box::new(Task {
            queue,
            job: self.id,
            request: Request {
                direction,
                algorithm,
                input,
                room: self.sqe.room() as usize,
                search: self.search(),
                mild: self.setting.mild,
                nonsense: Nonsense::new(self.setting.seed),
            },
            part: part.map(|part| StreamPart {
                id: part.id,
                stream: part.stream,
                last,
            }),
            outcome: None,
        }))
    }

    /// Compression only; what another window says was checked.
    fn search(&self) -> Search {
        let setting = self.setting;
        let limited = setting.has_windows && !setting.whole_window;
        let window = self.sqe.window().filter(|_| limited);
        Search {
            fast: self.setting.fast,
            window: window.unwrap_or(Window::K32),
        }
    }

    fn method(&self) -> Result<(Direction, Algorithm), Status> {
        self.setting
            .direction
            .zip(self.sqe.algorithm())
            .ok_or(Status::BadAlgorithm)
    }
}

fn read_list(setting: Setting, address: u64, stage: fn(Reader) -> Stage) -> Stage {
    match Reader::new(setting.pasid, setting.limits, address) {
        Ok(reader) => stage(reader),
        Err(Malformed) => Stage::Done(Report::failure(Status::BadList)),
    }
}

/// Whether the engine takes no notice of the request, whatever else it says.
fn is_ignored(sqe: &Sqe, setting: Setting) -> bool {
    let reading = match sqe.is_stream() {
        true => Reading::SmallStreamRooms,
        false => Reading::SmallRooms,
    };
    sqe.room() <= IGNORED_ROOM || sqe.room() < LEAST_ROOM && !setting.mild.has(reading)
}

fn check(sqe: &Sqe, setting: Setting) -> Result<Buffers, Report> {
    if sqe.layout() != setting.layout {
        return Err(Report::failure(Status::BadLayout));
    }
    if is_ignored(sqe, setting) {
        return Err(Report::ignored());
    }
    let algorithm = sqe.algorithm();
    let algorithm = algorithm.ok_or(Report::failure(Status::BadAlgorithm))?;
    let missing = algorithm == Algorithm::Deflate && !setting.raw_deflate;
    if missing || setting.direction.is_none() {
        return Err(Report::failure(Status::BadAlgorithm));
    }
    let compresses = setting.direction == Some(Direction::Compress);
    if setting.has_windows && compresses && sqe.window().is_none() {
        return Err(Report::failure(Status::BadWindow));
    }
    let buffers = sqe.buffers();
    let buffers = buffers.ok_or(Report::failure(Status::BadBuffer))?;
    let (input, room) = (sqe.input_length(), sqe.room());
    let input_missing = input == 0 && !sqe.is_stream();
    if input_missing || input > MAX_LENGTH || room > MAX_LENGTH {
        return Err(Report::failure(Status::BadLength));
    }
    if sqe.is_stream() {
        check_stream(sqe, setting)?;
    }
    Ok(buffers)
}

/// What UADK sees to, since the engine does not cope with anything else.
fn check_stream(sqe: &Sqe, setting: Setting) -> Result<(), Report> {
    let (input, room) = (sqe.input_length(), sqe.room());
    let compresses = setting.direction == Some(Direction::Compress);
    if compresses && input == 0 && !setting.mild.has(Reading::EmptyFinish) {
        return Err(Report::ignored());
    }
    if !compresses && input == 0 && sqe.is_new_stream() {
        return Err(Report::failure(Status::Unasked));
    }
    if compresses && input == 0 || room < LEAST_ROOM {
        return Err(Report::failure(Status::BadLength));
    }
    let cramped = compresses && u64::from(room) * 8 < u64::from(input) * 9;
    match cramped {
        true if setting.mild.has(Reading::TightRooms) => Err(Report::failure(Status::BadLength)),
        true => Err(Report::ignored()),
        false => Ok(()),
    }
}
