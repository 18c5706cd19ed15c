package secure_test

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/edge/secure"
	"github.com/skylift/skylift/internal/edge/securetest"
	"github.com/skylift/skylift/internal/edge/table"
)

// greet shakes hands with a server of a listener and returns what the client sees.
func greet(t *testing.T, s *secure.Server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := tls.Server(far, s.Config)
		if c.Handshake() == nil {
			c.Write([]byte{'.'}) //nolint:errcheck // after the tickets, which TLS 1.3 sends behind the handshake
		}
		far.Close()
	}()
	c := tls.Client(near, client)
	err := c.Handshake()
	if err == nil {
		c.Read(make([]byte, 1)) //nolint:errcheck // takes the tickets in
	}
	near.Close()
	<-done
	return c.ConnectionState(), err
}

func TestChoice(t *testing.T) {
	t.Parallel()
	make := func(s securetest.Spec, names ...string) *table.Certificate {
		return securetest.Certificate(t, s, names...)
	}
	byDefault := make(securetest.Spec{}, "default.test")
	rsa := make(securetest.Spec{RSA: true}, "app.test")
	ecdsa := make(securetest.Spec{}, "app.test")
	bigger := make(securetest.Spec{Bits: 384}, "big.test")
	small := make(securetest.Spec{}, "big.test")
	old := make(securetest.Spec{Bits: 384, Expired: true}, "age.test")
	young := make(securetest.Spec{}, "age.test")
	brief := make(securetest.Spec{For: time.Hour}, "long.test")
	lasting := make(securetest.Spec{For: 2 * time.Hour}, "long.test")
	wild := make(securetest.Spec{}, "*.wild.test", "wild.test")
	rsaExact := make(securetest.Spec{RSA: true}, "both.wild.test")
	exact := make(securetest.Spec{}, "exact.wild.test")
	subject := make(securetest.Spec{NoDomain: true}, "subject.test")
	s := secure.NewServer("l", securetest.Listener(byDefault, rsa, ecdsa, small, bigger, old, young, brief, lasting, wild, rsaExact, exact, subject), secure.NewTickets(time.Now()))
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, tt := range []struct {
		name, ask string
		suites    []uint16
		want      *table.Certificate
	}{
		{"no name", "", nil, byDefault},
		{"a name that none is for", "other.test", nil, byDefault},
		{"ECDSA before RSA", "app.test", nil, ecdsa},
		{"in capitals", "APP.test", nil, ecdsa},
		{"a client that reads RSA only", "app.test", rsaOnly, rsa},
		{"the longer key", "big.test", nil, bigger},
		{"the one that holds, though its key is shorter", "age.test", nil, young},
		{"the one that holds longer", "long.test", nil, lasting},
		{"a wildcard", "a.wild.test", nil, wild},
		{"two labels under a wildcard", "a.b.wild.test", nil, byDefault},
		{"the name above a wildcard", "wild.test", nil, wild},
		{"ECDSA by a wildcard before RSA for the name", "both.wild.test", nil, wild},
		{"alike: for the name before by a wildcard", "exact.wild.test", nil, exact},
		{"a subject", "subject.test", nil, subject},
	} {
		c := &tls.Config{ServerName: tt.ask, InsecureSkipVerify: true}
		if tt.suites != nil {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tt.suites
		}
		state, err := greet(t, s, c)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := state.PeerCertificates[0]; !got.Equal(tt.want.TLS.Leaf) {
			t.Errorf("%s: got that for %v with %v, want that for %s", tt.name, got.DNSNames, got.PublicKeyAlgorithm, tt.want.ID)
		}
	}
	for name, want := range map[string]secure.Fit{"app.test": secure.Exact, "a.wild.test": secure.ByWildcard, "a.b.wild.test": secure.None, "": secure.None, "App.test.": secure.Exact} {
		if got := s.Fits(name); got != want {
			t.Errorf("%q fits %d, want %d", name, got, want)
		}
	}
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	said := securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "a.test"))
	both := secure.NewServer("l", said, secure.NewTickets(time.Now()))
	plain := *said
	plain.HTTP2, plain.Oldest = false, tls.VersionTLS13
	one := secure.NewServer("l", &plain, secure.NewTickets(time.Now()))
	for _, tt := range []struct {
		name   string
		server *secure.Server
		offers []string
		newest uint16
		want   string
		fails  bool
	}{
		{"a browser", both, []string{"h2", "http/1.1"}, 0, "h2", false},
		{"HTTP/1.1 first", both, []string{"http/1.1", "h2"}, 0, "h2", false},
		{"no ALPN", both, nil, 0, "", false},
		{"without HTTP/2", one, []string{"h2", "http/1.1"}, 0, "http/1.1", false},
		{"another protocol", both, []string{"acme-tls/1"}, 0, "", true},
		{"TLS 1.2 where 1.3 is wanted", one, nil, tls.VersionTLS12, "", true},
	} {
		state, err := greet(t, tt.server, &tls.Config{ServerName: "a.test", RootCAs: securetest.Roots(), NextProtos: tt.offers, MaxVersion: tt.newest})
		if (err != nil) != tt.fails || state.NegotiatedProtocol != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, state.NegotiatedProtocol, err, tt.want)
		}
	}
}

// TestTickets: a session is resumed by the listener that it began with, also after its
// table was swapped and the keys turned, for a week, and by no other listener.
func TestTickets(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		synctest.Test(t, func(t *testing.T) {
			said := securetest.Listener(securetest.Certificate(t, securetest.Spec{For: 300 * time.Hour}, "a.test"))
			tickets := secure.NewTickets(time.Now())
			client := &tls.Config{ServerName: "a.test", RootCAs: securetest.Roots(), MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
			resumed := func(listener string) bool {
				t.Helper()
				state, err := greet(t, secure.NewServer(listener, said, tickets), client)
				if err != nil {
					t.Fatal(err)
				}
				return state.DidResume
			}
			if resumed("l") {
				t.Error("the first session is resumed")
			}
			if !resumed("l") {
				t.Errorf("version %x: a session isn't resumed", version)
			}
			if tickets.Turn(time.Now()) {
				t.Error("the keys turn at once")
			}
			time.Sleep(25 * time.Hour)
			if !tickets.Turn(time.Now()) || !resumed("l") {
				t.Errorf("version %x: a session isn't resumed after the keys turned", version)
			}
			if resumed("other") {
				t.Errorf("version %x: another listener resumes it", version)
			}
			client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
			resumed("l")
			for range 8 {
				time.Sleep(25 * time.Hour)
				tickets.Turn(time.Now())
			}
			if resumed("l") {
				t.Errorf("version %x: a session is resumed after a week", version)
			}
		})
	}
}

// TestWritersWaitOutside: a handshake that waits for its client to read has no place.
func TestWritersWaitOutside(t *testing.T) {
	t.Parallel()
	h := secure.NewHandshakes(1)
	until := time.Now().Add(10 * time.Second)
	begin := func() (near net.Conn, tr *secure.Transport) {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		tr, _ = h.Begin(far, nil, until, nil)
		go near.Write([]byte{1}) //nolint:errcheck // the other end sees it
		if _, err := tr.Read(make([]byte, 1)); err != nil {
			t.Fatalf("a handshake gets no place: %v", err)
		}
		return near, tr
	}
	slow, first := begin()
	written := make(chan error, 1)
	go func() { _, err := first.Write([]byte{2}); written <- err }()
	_, second := begin()
	second.End()
	if _, err := slow.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	first.End()
}
