package edge

import (
	"crypto/tls"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/secure"
	"github.com/skylift/skylift/internal/edge/table"
)

// shook is what a client agreed on in its handshake. Requests on a connection over HTTP/2
// share it.
type shook struct {
	agreed report.TLS
	took   time.Duration
	told   atomic.Pointer[told]
}

// told is what the targets of a listener are told of it.
type told struct {
	names   table.Tells
	headers *rewrite.Headers
}

func newShook(s *tls.ConnectionState, took time.Duration) *shook {
	return &shook{took: took, agreed: report.TLS{
		Version: secure.VersionName(s.Version), Suite: secure.SuiteName(s.CipherSuite), Group: secure.GroupName(s.CurveID),
	}}
}

// tells returns the headers for the targets of a listener; nil: there are none.
func (s *shook) tells(rt *route.Route) *rewrite.Headers {
	if s == nil || rt.Tells == (table.Tells{}) {
		return nil
	}
	if t := s.told.Load(); t != nil && t.names == rt.Tells {
		return t.headers
	}
	var set []table.Header
	for _, h := range []table.Header{{Name: rt.Tells.Version, Value: s.agreed.Version}, {Name: rt.Tells.Suite, Value: s.agreed.Suite}} {
		if h.Name != "" {
			set = append(set, h)
		}
	}
	t := &told{rt.Tells, rewrite.NewHeaders(set, false)}
	s.told.Store(t)
	return t.headers
}
