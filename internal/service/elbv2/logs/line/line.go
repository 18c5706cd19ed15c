// Package line writes the lines of an Application Load Balancer's access, connection and
// health check logs, and says where their files are in a bucket.
//
// Its functions append to a buffer and do nothing else.
package line

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/edge/report"
)

// maxAgent is how much of a User-Agent is in a line.
const maxAgent = 8 << 10

// Request appends the line of a request
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-entry-syntax).
// The last two fields, the codes of errors, are always "-": what AWS has there isn't documented.
func Request(out []byte, r *report.Request) []byte {
	out = append(append(out, r.Kind...), ' ')
	out = append(stamp(out, r.Ended), ' ')
	out = append(append(out, Balancer(r.Balancer)...), ' ')
	out = append(address(out, r.Client), ' ')
	out = append(address(out, r.Target), ' ')
	for _, d := range []time.Duration{r.Routing, r.Waiting, r.Answering} {
		out = append(seconds(out, d), ' ')
	}
	out = append(status(out, r.Status), ' ')
	out = append(status(out, r.TargetStatus), ' ')
	out = append(strconv.AppendInt(out, r.Received, 10), ' ')
	out = append(strconv.AppendInt(out, r.Sent, 10), ' ')
	out = append(requested(out, r), ' ')
	out = append(quoted(out, r.Agent[:min(len(r.Agent), maxAgent)]), ' ')
	out = secured(out, r)
	out = append(rule(out, r.Rule), ' ')
	out = append(stamp(out, r.Began), ' ')
	out = append(quotedText(out, strings.Join(r.Actions, ",")), ' ')
	out = append(quoted(out, r.Location), ' ')
	out = append(quotedText(out, r.Error), ' ')
	out = append(address(append(out, '"'), r.Target), `" "`...)
	out = append(status(out, r.TargetStatus), `" `...)
	out = append(quotedText(out, r.Class), ' ')
	out = append(quotedText(out, r.Reason), ' ')
	out = append(trace(out, r.Connection), ' ')
	out = append(quoted(out, r.NewHost), ' ')
	out = append(quoted(out, r.NewURI), ' ')
	out = append(quotedText(out, r.Rewriting), ' ')
	return append(node(out, r.Node), " - -\n"...)
}

// requested appends what the client asked for, as it was sent.
func requested(out []byte, r *report.Request) []byte {
	out = append(out, '"')
	if r.Method == nil {
		out = append(out, '-')
	} else {
		out = escape(out, r.Method)
	}
	out = append(append(append(out, ' '), r.Scheme...), "://"...)
	out = append(append(append(escape(out, r.Host), ':'), r.Port...), "/"...)
	if r.Method == nil {
		return append(out[:len(out)-1], `- -"`...)
	}
	uri := r.URI
	if len(uri) > 0 && uri[0] == '/' {
		uri = uri[1:]
	}
	return append(append(append(escape(out, uri), " HTTP/"...), r.Version...), '"')
}

// secured appends what was agreed on over TLS, and between it the group and the trace.
func secured(out []byte, r *report.Request) []byte {
	var t report.TLS
	certificate := ""
	if r.TLS != nil {
		t, certificate = *r.TLS, "session-reused"
		if t.Certificate != "" {
			certificate = t.Certificate
		}
	}
	out = append(text(out, t.Suite), ' ')
	out = append(text(out, t.Version), ' ')
	out = append(text(out, r.Pool), ' ')
	out = append(quoted(out, r.TraceID), ' ')
	out = append(quotedText(out, t.Name), ' ')
	return append(quotedText(out, certificate), ' ')
}

// Connection appends the line of a connection
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html#connection-log-entry-syntax).
func Connection(out []byte, c *report.Connection) []byte {
	var t report.TLS
	if c.TLS != nil {
		t = *c.TLS
	}
	out = append(stamp(out, c.Time), ' ')
	out = append(append(out, c.Client.Addr().String()...), ' ')
	out = append(strconv.AppendUint(out, uint64(c.Client.Port()), 10), ' ')
	out = append(append(out, c.Port...), ' ')
	out = append(text(out, t.Version), ' ')
	out = append(text(out, t.Suite), ' ')
	if c.TLS != nil && c.Failed == "" {
		out = seconds(out, c.Shaking)
	} else {
		out = append(out, '-')
	}
	out = append(out, ` "-" - - `...) // of a client's certificate
	if c.Failed != "" {
		out = append(append(out, "Failed:"...), c.Failed...)
	} else {
		out = append(out, "Success"...)
	}
	out = append(trace(append(out, ' '), c.ID), ' ')
	out = append(text(out, t.Group), ' ')
	out = append(append(out, Balancer(c.Balancer)...), ' ')
	return append(node(out, c.Node), '\n')
}

// Check appends the line of a health check
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-health-check-logs.html#health-check-log-entry-syntax).
func Check(out []byte, c *report.Check) []byte {
	out = append(append(out, c.Kind...), ' ')
	out = append(stamp(out, c.Time), ' ')
	out = append(fraction(out, c.Took, 9), ' ')
	out = append(address(out, c.Target), ' ')
	out = append(append(out, group(c.Pool)...), ' ')
	if c.Passed {
		out = append(out, "PASS "...)
	} else {
		out = append(out, "FAIL "...)
	}
	if c.HasCode {
		out = strconv.AppendInt(out, int64(c.Status), 10)
	} else {
		out = append(out, '-')
	}
	out = append(text(append(out, ' '), c.Reason), ' ')
	out = append(append(out, Balancer(c.Balancer)...), ' ')
	return append(node(out, c.Node), '\n')
}

// Balancer is the resource ID in a balancer's ARN: app/name/id.
func Balancer(arn string) string {
	_, id, _ := strings.Cut(arn, ":loadbalancer/")
	return id
}

// group is the name in a target group's ARN.
func group(arn string) string {
	_, id, _ := strings.Cut(arn, ":targetgroup/")
	name, _, _ := strings.Cut(id, "/")
	return name
}

func stamp(out []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(out, "2006-01-02T15:04:05.000000Z")
}

func address(out []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(out, '-')
	}
	return a.AppendTo(out)
}

func node(out []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(out, '-')
	}
	return a.AppendTo(out)
}

// seconds appends a time in seconds, to the millisecond.
func seconds(out []byte, d time.Duration) []byte {
	if d == report.Unknown {
		return append(out, "-1"...)
	}
	return fraction(out, d, 3)
}

// fraction appends a time in seconds with so many digits behind the point.
func fraction(out []byte, d time.Duration, digits int) []byte {
	d = max(0, d)
	out = append(strconv.AppendInt(out, int64(d/time.Second), 10), '.')
	rest := d % time.Second
	for unit := time.Second / 10; digits > 0; digits-- {
		out = append(out, '0'+byte(rest/unit%10))
		unit = max(1, unit/10)
	}
	return out
}

func status(out []byte, code int) []byte {
	if code == 0 {
		return append(out, '-')
	}
	return strconv.AppendInt(out, int64(code), 10)
}

func rule(out []byte, priority int) []byte {
	if priority == report.NoRule {
		return append(out, '-')
	}
	return strconv.AppendInt(out, int64(priority), 10)
}

func trace(out []byte, t report.Trace) []byte {
	out = append(out, "TID_"...)
	for _, b := range t {
		out = append(out, hex[b>>4], hex[b&15])
	}
	return out
}

func text(out []byte, s string) []byte {
	if s == "" {
		return append(out, '-')
	}
	return append(out, s...)
}

func quoted(out, s []byte) []byte {
	if len(s) == 0 {
		return append(out, `"-"`...)
	}
	return append(escape(append(out, '"'), s), '"')
}

func quotedText(out []byte, s string) []byte { return quoted(out, []byte(s)) }

const hex = "0123456789abcdef"

// escape appends what a client said so that it ends neither a field nor a line: quotation
// marks, backslashes and all that isn't visible ASCII or a space as \x22. AWS doesn't
// document how it does that; it is the form of nginx, whose pages a balancer's are.
func escape(out, s []byte) []byte {
	for _, c := range s {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			const upper = "0123456789ABCDEF"
			out = append(out, '\\', 'x', upper[c>>4], upper[c&15])
			continue
		}
		out = append(out, c)
	}
	return out
}
