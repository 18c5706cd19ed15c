package line

import (
	"io"
	"net/netip"
	"strings"
	"time"
)

// Kind is a kind of log, by what it is of.
type Kind string

// The kinds of logs.
const (
	Access Kind = "access"
	Conn   Kind = "connection"
	Health Kind = "health_check"
)

// testTail ends the names of test files.
const testTail = "LogTestFile"

// names of a kind in keys.
var names = map[Kind]struct{ file, test string }{
	Access: {"", "ELBAccess" + testTail},
	Conn:   {"conn_log_", "ELBConnection" + testTail},
	Health: {"health_check_log_", "ELBHealthCheck" + testTail},
}

// Place says where in a bucket a balancer's logs are.
type Place struct {
	Kind            Kind
	Prefix          string // may be empty
	Account, Region string
	Balancer        string // ARN
}

// root is the prefix of all keys.
func (p Place) root() string {
	root := "AWSLogs/" + p.Account + "/"
	if prefix := strings.Trim(p.Prefix, "/"); prefix != "" {
		root = prefix + "/" + root
	}
	return root
}

// Test is the key of the file that is written when a log is turned on.
func (p Place) Test() string { return p.root() + names[p.Kind].test }

// Key is the key of a file with the lines of an interval that ended, by a node of the balancer
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-file-format).
func (p Place) Key(end time.Time, node netip.Addr, random string) string {
	end = end.UTC()
	service := "elasticloadbalancing"
	at := "0.0.0.0"
	if node.IsValid() {
		at = node.String()
	}
	return p.root() + service + "/" + p.Region + "/" + end.Format("2006/01/02/") + names[p.Kind].file +
		strings.Join([]string{p.Account, service, p.Region, strings.ReplaceAll(Balancer(p.Balancer), "/", "."), end.Format("20060102T1504Z"), at, random}, "_") + ".log.gz"
}

// TestFile is what is in the file that is written when a log is turned on. AWS doesn't document it.
func TestFile(k Kind, balancer string, now time.Time) io.Reader {
	what := map[Kind]string{Access: "AccessLog", Conn: "ConnectionLog", Health: "HealthCheckLog"}[k]
	return strings.NewReader("Enable " + what + " for ELB: " + Balancer(balancer) + " at " + now.UTC().Format("2006-01-02T15:04:05.000Z"))
}
