package http2

import (
	"slices"

	"golang.org/x/net/http2"
)

// take does what a frame asks for.
func (s *Server) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.DataFrame:
		return s.takeData(f)
	case *http2.MetaHeadersFrame:
		return s.takeHeaders(f)
	case *http2.SettingsFrame:
		if f.IsAck() {
			return s.count()
		}
		if err := s.takeSettings(f); err != nil {
			return err
		}
		return s.count()
	case *http2.WindowUpdateFrame:
		return s.takeWindow(f)
	case *http2.RSTStreamFrame:
		return s.takeReset(f)
	case *http2.PingFrame:
		return s.takePing(f)
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeProtocol}
		}
		return s.count()
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return s.count() // GOAWAY too: the client closes the connection when it has its answers
}

// count takes note of a frame that carries nothing.
func (s *Server) count() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countLocked()
}

func (s *Server) countLocked() error {
	if s.control++; s.control > maxControl {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}

// blame takes note of a request that was given up or refused. s.mu is held.
func (s *Server) blame() error {
	if s.faults++; s.faults > maxFaults {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}

func (s *Server) takeSettings(f *http2.SettingsFrame) error {
	s.mu.Lock()
	err := f.ForeachSetting(s.takeSetting)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.begin()
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
		s.enc.SetMaxDynamicTableSizeLimit(size)
	}
	s.fr.WriteSettingsAck() //nolint:errcheck // end says it
	s.end()
	return nil
}

// takeSetting takes one setting. s.mu is held.
func (s *Server) takeSetting(said http2.Setting) error {
	if err := said.Valid(); err != nil {
		return err
	}
	switch said.ID {
	case http2.SettingInitialWindowSize:
		more := int64(said.Val) - s.initial
		s.initial = int64(said.Val)
		for _, st := range s.streams {
			if st.window += more; st.window > maxWindow {
				return http2.ConnectionError(http2.ErrCodeFlowControl)
			}
			st.wake(st.writable)
		}
	case http2.SettingMaxFrameSize:
		s.frame = min(int(said.Val), 64<<10)
	}
	return nil
}

const maxWindow = 1<<31 - 1

func (s *Server) takeWindow(f *http2.WindowUpdateFrame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.StreamID == 0 {
		if s.window += int64(f.Increment); s.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		for st := range s.waiting {
			st.wake(st.writable)
		}
		return s.countLocked()
	}
	st := s.streams[f.StreamID]
	if st == nil {
		if f.StreamID > s.last {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		return s.countLocked()
	}
	if st.window += int64(f.Increment); st.window > maxWindow {
		return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeFlowControl}
	}
	st.wake(st.writable)
	return s.countLocked()
}

func (s *Server) takePing(f *http2.PingFrame) error {
	if f.IsAck() {
		if f.Data == farewell {
			s.finish()
		}
		return s.count()
	}
	s.begin()
	s.fr.WritePing(true, f.Data) //nolint:errcheck // end says it
	s.end()
	return s.count()
}

func (s *Server) takeReset(f *http2.RSTStreamFrame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[f.StreamID]
	if st == nil {
		if f.StreamID > s.last {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		return s.countLocked()
	}
	st.break_(errReset)
	s.forget(st)
	return s.blame()
}

// refuse resets a stream for what the client did wrong.
func (s *Server) refuse(id uint32, code http2.ErrCode) error {
	s.mu.Lock()
	if st := s.streams[id]; st != nil {
		st.break_(errReset)
		s.forget(st)
	}
	s.noteReset(id)
	err := s.blame()
	s.mu.Unlock()
	s.begin()
	s.fr.WriteRSTStream(id, code) //nolint:errcheck // end says it
	s.end()
	return err
}

// noteReset remembers that a stream was reset from this side. s.mu is held.
func (s *Server) noteReset(id uint32) {
	s.reset[s.resets%len(s.reset)] = id
	s.resets++
}

// wasReset tells whether what comes for a stream may have been sent before the client
// knew that it was reset. s.mu is held.
func (s *Server) wasReset(id uint32) bool { return slices.Contains(s.reset[:], id) }

// forget takes a stream out. What it received and nobody read is returned. s.mu is held.
func (s *Server) forget(st *Stream) {
	if s.streams[st.id] != st {
		return
	}
	delete(s.streams, st.id)
	delete(s.waiting, st)
	s.received += int64(len(st.buf))
}

func (s *Server) takeData(f *http2.DataFrame) error {
	s.mu.Lock()
	err := s.data(f.StreamID, f.Data(), int64(f.Length), f.StreamEnded())
	s.mu.Unlock()
	s.giveBack(nil)
	return err
}

// data takes part of a request's body, in a frame of n bytes. s.mu is held.
func (s *Server) data(id uint32, data []byte, n int64, last bool) error {
	if s.open -= n; s.open < 0 {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	st := s.streams[id]
	switch {
	case st == nil && id > s.last:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case st == nil && s.wasReset(id):
		s.received += n
		return s.countLocked()
	case st == nil || st.ended:
		s.received += n
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	}
	if st.open -= n; st.open < 0 {
		s.received += n
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeFlowControl}
	}
	padding := n - int64(len(data))
	s.received += padding
	st.received += padding
	if len(data) == 0 && !last {
		return s.countLocked()
	}
	s.control = 0
	return st.receive(data, last)
}

// giveBack opens the windows again for what was read.
func (s *Server) giveBack(st *Stream) {
	var all, own int64
	s.mu.Lock()
	if s.received >= connWindow/2 {
		all, s.received = s.received, 0
		s.open += all
	}
	if st != nil && !st.ended && st.received >= streamWindow/2 && s.streams[st.id] == st {
		own, st.received = st.received, 0
		st.open += own
	}
	s.mu.Unlock()
	if all == 0 && own == 0 {
		return
	}
	s.begin()
	if all > 0 {
		s.fr.WriteWindowUpdate(0, uint32(all)) //nolint:errcheck // end says it
	}
	if own > 0 {
		s.fr.WriteWindowUpdate(st.id, uint32(own)) //nolint:errcheck // as above
	}
	s.end()
}
