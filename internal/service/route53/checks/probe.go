package checks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/service/route53/record"
)

// How long an endpoint may take, and how much of its answer is read
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html).
const (
	tcpTimeout     = 10 * time.Second
	connectTimeout = 4 * time.Second
	statusTimeout  = 2 * time.Second
	bodyTimeout    = 2 * time.Second
	mostRead       = 5120
	mostHeaders    = 16 << 10
)

// probe looks at the endpoint of a check once.
func (c *Checker) probe(ctx context.Context, check *record.Check) (well bool, said string) {
	addr, err := c.endpoint(ctx, &check.Config)
	if err == nil {
		if check.Config.Type == types.HealthCheckTypeTcp {
			said, err = tcp(ctx, addr)
		} else {
			said, err = web(ctx, check, addr)
		}
	}
	if err != nil {
		return false, "Failure: " + reason(err)
	}
	return true, "Success: " + said
}

// endpoint is where a check looks.
func (c *Checker) endpoint(ctx context.Context, conf *types.HealthCheckConfig) (netip.AddrPort, error) {
	port := uint16(*conf.Port)
	if conf.IPAddress != nil {
		addr, err := netip.ParseAddr(*conf.IPAddress)
		return netip.AddrPortFrom(addr, port), err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	all, err := c.resolve(ctx, *conf.FullyQualifiedDomainName)
	if err != nil || len(all) == 0 {
		return netip.AddrPort{}, fmt.Errorf("DNS resolution of %s failed", *conf.FullyQualifiedDomainName)
	}
	return netip.AddrPortFrom(all[0], port), nil
}

func tcp(ctx context.Context, addr netip.AddrPort) (string, error) {
	d := net.Dialer{Timeout: tcpTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return "", err
	}
	return "TCP connection established", conn.Close()
}

// web makes an HTTP request.
func web(ctx context.Context, check *record.Check, addr netip.AddrPort) (string, error) {
	conf := &check.Config
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+statusTimeout+bodyTimeout)
	defer cancel()
	req, err := request(ctx, check, addr)
	if err != nil {
		return "", err
	}
	res, err := transport(conf, addr).RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	status := fmt.Sprintf("HTTP Status Code %d, %s", res.StatusCode, http.StatusText(res.StatusCode))
	if res.StatusCode < 200 || res.StatusCode > 399 {
		return "", errors.New(status)
	}
	if !slices.Contains([]types.HealthCheckType{types.HealthCheckTypeHttpStrMatch, types.HealthCheckTypeHttpsStrMatch}, conf.Type) {
		return status, nil
	}
	late := time.AfterFunc(bodyTimeout, cancel)
	defer late.Stop()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostRead))
	switch {
	case bytes.Contains(body, []byte(*conf.SearchString)):
		return status, nil
	case err != nil:
		return "", fmt.Errorf("%s. The body could not be read", status)
	}
	return "", fmt.Errorf("%s. The search string was not found in the first %d bytes of the body", status, mostRead)
}

func request(ctx context.Context, check *record.Check, addr netip.AddrPort) (*http.Request, error) {
	conf := &check.Config
	scheme, usual := "http", "80"
	if strings.HasPrefix(string(conf.Type), "HTTPS") {
		scheme, usual = "https", "443"
	}
	path := ""
	if conf.ResourcePath != nil {
		path = *conf.ResourcePath
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+addr.String()+path, nil)
	if err != nil {
		return nil, err
	}
	name := addr.Addr().String()
	if addr.Addr().Is6() {
		name = "[" + name + "]"
	}
	if conf.FullyQualifiedDomainName != nil {
		name = *conf.FullyQualifiedDomainName
	}
	if port := strconv.Itoa(int(addr.Port())); port != usual {
		name += ":" + port
	}
	req.Host = name
	req.Header.Set("User-Agent", "Amazon-Route53-Health-Check-Service (ref "+check.ID+")")
	req.Header.Set("Accept", "*/*")
	req.Close = true
	return req, nil
}

// transport makes one connection. Certificates are not checked, as on AWS.
func transport(conf *types.HealthCheckConfig, addr netip.AddrPort) *http.Transport {
	d := net.Dialer{Timeout: connectTimeout}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", addr.String())
		},
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: mostHeaders,
		TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: statusTimeout,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Route 53 doesn't check certificates, and what is read is only looked at
	}
	if sni := conf.EnableSNI; sni != nil && *sni && conf.FullyQualifiedDomainName != nil {
		t.TLSClientConfig.ServerName = *conf.FullyQualifiedDomainName
	}
	return t
}

// reason is an error without what differs each time, such as the port of this end.
func reason(err error) string {
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "Connection timed out. The endpoint is down, or requests are being blocked by a firewall."
	}
	if op, is := errors.AsType[*net.OpError](err); is {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
