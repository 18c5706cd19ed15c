package check

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"

	"github.com/skylift/skylift/internal/edge/table"
)

var (
	errNotGRPC = errors.New("not an answer of gRPC")
	errOneOnly = errors.New("a check has one connection")
)

// noMessage is a gRPC message without content, which is what an empty one of any type is.
var noMessage = make([]byte, 5)

// askHTTP2 asks over HTTP/2, by prior knowledge or as TLS agreed on. Of gRPC the code is
// that of the call (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html).
func (p Probe) askHTTP2(ctx context.Context, conn net.Conn, host, path string, seen *table.Seen) (code int, err error) {
	protocols := &http.Protocols{}
	left := conn
	give := func(context.Context, string, string) (net.Conn, error) {
		if left == nil {
			return nil, errOneOnly
		}
		nc := left
		left = nil
		return nc, nil
	}
	tr := &http.Transport{Protocols: protocols, DisableCompression: true, MaxResponseHeaderBytes: drained}
	method, scheme, body := http.MethodGet, "http", []byte(nil)
	if p.TLS {
		scheme, tr.DialTLSContext = "https", give
		protocols.SetHTTP2(true)
	} else {
		tr.DialContext = give
		protocols.SetUnencryptedHTTP2(true)
	}
	defer tr.CloseIdleConnections()
	if p.Version == table.GRPC {
		method, body = http.MethodPost, noMessage
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://"+host+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	if p.Version == table.GRPC {
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	note(res, seen)
	if p.Version != table.GRPC {
		return res.StatusCode, nil
	}
	status := res.Trailer.Get("Grpc-Status") + res.Header.Get("Grpc-Status")
	if code, err = strconv.Atoi(status); err != nil || res.StatusCode != http.StatusOK {
		return 0, errNotGRPC
	}
	return code, nil
}
