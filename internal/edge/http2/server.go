// Package http2 speaks HTTP/2 with a client, and makes of each request a connection
// over HTTP/1.1: what is read from a Stream is the request, and what is written to it
// is its answer.
//
// One goroutine reads frames, and each request has one that answers it. What a client
// sends is held in memory up to the windows that it was given; what is sent to it waits
// for its windows. A client that makes work without an end to it is sent away.
package http2

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/skylift/skylift/internal/edge/http1"
)

const (
	// maxStreams is how many requests may be open at once: an ALB's bound.
	maxStreams = 128
	// maxHandlers is how many may be worked on, those that the client gave up among them.
	maxHandlers = 2 * maxStreams
	// maxFaults is how many requests more may have been given up or refused than were
	// answered: who goes over it only makes work (CVE-2023-44487, CVE-2025-8671).
	maxFaults = 4 * maxStreams
	// maxControl is how many frames may come in a row that neither bring nor let go any
	// part of a message.
	maxControl = 10_000

	// The windows that a client gets: what it may send that nobody has read yet.
	streamWindow = 128 << 10
	connWindow   = 256 << 10

	firstWindow = 65_535 // of both sides, before anything is said (RFC 9113, 6.9.2)
	firstFrame  = 16 << 10

	greetFor   = 10 * time.Second // for the preface and the settings
	partingFor = time.Second      // for the client to hear that the connection will end
	lingerFor  = 5 * time.Second  // for the client to close it
)

// Config is what a Server needs.
type Config struct {
	// Handle answers a request. It returns when it has written all of the answer, or
	// writes no more.
	Handle func(*Stream)
	// Busy is called when a request begins while there is none, and Idle when there is
	// none any more.
	Busy, Idle func()
	// Stall is how long the client may take to read what is sent.
	Stall time.Duration
}

// Server is the server's side of a connection.
type Server struct {
	nc  net.Conn
	in  *bufio.Reader
	cfg Config
	fr  *http2.Framer // the reader's; writes need wmu

	writers atomic.Int32 // those that write or wait for it
	wmu     sync.Mutex
	out     *bufio.Writer
	enc     *hpack.Encoder
	block   bytes.Buffer // what enc wrote
	stall   time.Time    // the deadline of writes

	mu       sync.Mutex
	streams  map[uint32]*Stream
	handlers int
	last     uint32               // the last request that began
	reset    [64]uint32           // streams that were reset last: what is still on its way for them is no fault
	resets   int                  // how many there were
	window   int64                // what may be sent on all streams
	initial  int64                // what may be sent on a new stream
	frame    int                  // the longest frame that the client takes
	open     int64                // what the client may send on all streams
	received int64                // what was read of that, and the client wasn't told of
	faults   int                  // see maxFaults
	control  int                  // see maxControl
	greeted  bool                 // the settings were sent
	ending   bool                 // the client was told that the connection will end
	final    bool                 // and which request was the last
	err      error                // why the connection has ended
	answers  sync.WaitGroup       // of handlers
	parting  *time.Timer          // ends the time between the two
	waiting  map[*Stream]struct{} // those that wait for window
}

// New returns the server's side of a connection on which nothing was sent or read yet.
func New(nc net.Conn, c Config) *Server {
	s := &Server{
		nc: nc, in: bufio.NewReaderSize(nc, 4<<10), cfg: c, out: bufio.NewWriterSize(nc, 16<<10), streams: map[uint32]*Stream{}, waiting: map[*Stream]struct{}{},
		window: firstWindow, initial: firstWindow, frame: firstFrame, open: connWindow,
	}
	s.fr = http2.NewFramer(s.out, s.in)
	s.fr.SetReuseFrames()
	s.fr.SetMaxReadFrameSize(firstFrame)
	s.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.fr.MaxHeaderListSize = http1.MaxHead
	s.enc = hpack.NewEncoder(&s.block)
	return s
}

// Serve answers requests until the connection ends, and closes it. It returns when no
// request is worked on any more.
func (s *Server) Serve() error {
	err := s.greet()
	for err == nil {
		var f http2.Frame
		if f, err = s.read(); err == nil {
			err = s.take(f)
		}
		if fault, ok := errors.AsType[http2.StreamError](err); ok {
			err = s.refuse(fault.StreamID, fault.Code)
		}
	}
	if fault, ok := errors.AsType[http2.ConnectionError](err); ok {
		s.dismiss(http2.ErrCode(fault))
	} else if errors.Is(err, http2.ErrFrameTooLarge) {
		s.dismiss(http2.ErrCodeFrameSize)
	}
	s.fail(err)
	s.answers.Wait()
	return err
}

// read reads a frame. A fault in one whose block was not decoded makes all later blocks
// unreadable.
func (s *Server) read() (http2.Frame, error) {
	f, err := s.fr.ReadFrame()
	if fault, ok := errors.AsType[http2.StreamError](err); ok && fault.Cause == nil {
		return nil, http2.ConnectionError(fault.Code)
	}
	return f, err
}

// greet exchanges the prefaces.
func (s *Server) greet() error {
	s.nc.SetReadDeadline(time.Now().Add(greetFor)) //nolint:errcheck // a closed connection says so when it is read
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(s.in, preface); err != nil {
		return err
	}
	if string(preface) != http2.ClientPreface {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	s.begin()
	s.fr.WriteSettings( //nolint:errcheck // end says it
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: http1.MaxHead},
	)
	s.fr.WriteWindowUpdate(0, connWindow-firstWindow) //nolint:errcheck // as above
	s.end()
	f, err := s.fr.ReadFrame()
	if err != nil {
		return err
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if err := s.takeSettings(settings); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.greeted = true
	if s.ending {
		s.sayFarewell()
	}
	return s.nc.SetReadDeadline(time.Time{})
}

// begin takes the right to write frames, and end gives it back. The last one who
// writes sends what all have written.
func (s *Server) begin() {
	s.writers.Add(1)
	s.wmu.Lock()
}

func (s *Server) end() {
	var err error
	if s.writers.Add(-1) == 0 {
		err = s.flush()
	}
	s.wmu.Unlock()
	if err != nil {
		s.fail(err)
	}
}

// flush sends what is written. wmu is held.
func (s *Server) flush() error {
	if s.out.Buffered() == 0 {
		return nil
	}
	if now := time.Now(); s.stall.Sub(now) < s.cfg.Stall/2 {
		s.stall = now.Add(s.cfg.Stall)
		s.nc.SetWriteDeadline(s.stall) //nolint:errcheck // the write says it
	}
	return s.out.Flush()
}

// fail ends the connection, unless it has ended: whoever waits for it learns why.
func (s *Server) fail(err error) {
	if err == nil {
		err = io.EOF
	}
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		for _, st := range s.streams {
			st.break_(err)
		}
		if s.parting != nil {
			s.parting.Stop()
		}
	}
	s.mu.Unlock()
	if first {
		s.nc.Close()
	}
}

// maxDismissed is how much is read of a client that was sent away: to close at once
// would reset the connection and lose what it was told.
const maxDismissed = 256 << 10

// dismiss tells the client what it did wrong, before the connection ends.
func (s *Server) dismiss(code http2.ErrCode) {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	s.begin()
	s.fr.WriteGoAway(last, code, nil) //nolint:errcheck // the connection ends
	_ = s.flush()                     // as above
	s.end()
	s.nc.SetReadDeadline(time.Now().Add(partingFor)) //nolint:errcheck // as above
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() //nolint:errcheck // as above
	}
	io.CopyN(io.Discard, s.in, maxDismissed) //nolint:errcheck // as above
}

// Shutdown ends the connection when the requests that it carries are answered, and
// those that the client has sent before it knows.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.err != nil {
		return
	}
	s.ending = true
	if s.greeted {
		s.sayFarewell()
	}
}

// sayFarewell tells the client that the connection will end. s.mu is held.
func (s *Server) sayFarewell() {
	s.parting = time.AfterFunc(partingFor, s.finish)
	go func() { // the caller may be in a hurry, and the client slow
		s.begin()
		s.fr.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil) //nolint:errcheck // end says it
		s.fr.WritePing(false, farewell)                 //nolint:errcheck // as above
		s.end()
	}()
}

// farewell is the ping whose answer says that the client knows.
var farewell = [8]byte{'f', 'a', 'r', 'e', 'w', 'e', 'l', 'l'}

// finish takes no more requests: the client knows, or had its time.
func (s *Server) finish() {
	s.mu.Lock()
	if s.final || s.err != nil {
		s.mu.Unlock()
		return
	}
	s.final = true
	last := s.last
	s.mu.Unlock()
	s.begin()
	s.fr.WriteGoAway(last, http2.ErrCodeNo, nil) //nolint:errcheck // end says it
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
}

// leave ends a connection that takes no more requests and has none. The client has a
// moment to close it. s.mu is held.
func (s *Server) leave() {
	if s.final && s.handlers == 0 && s.err == nil {
		s.nc.SetReadDeadline(time.Now().Add(lingerFor)) //nolint:errcheck // a closed connection says so when it is read
	}
}
