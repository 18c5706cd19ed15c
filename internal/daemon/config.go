// Package daemon is the only wiring: it builds every part once, hands each what
// it needs, runs them together and ends them together.
//
// It is one package of more than 1,500 lines because it is where each part meets
// the others: every file fits one part to the rest, and a package for each would
// export the machine, and all that is on it, to each.
package daemon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/ecr/scan/vulndb"
	"github.com/skylift/skylift/internal/vpc"
)

// Config is what `skylift serve` is told.
type Config struct {
	Listen    string // host:port of the APIs and the registry
	DataDir   string
	Region    string
	AccountID string // 12 digits; "": the data directory's, made at first start
	LBAddress netip.Addr
	VPCCIDR   netip.Prefix
	// PublicAddresses are what public addresses are given from; none: a range of this machine's loopback.
	PublicAddresses []netip.Prefix
	EtcdEndpoints   []string         // none: embedded
	EngineName      string           // "docker", "containerd"; "": what the instance has tasks on, or what is found
	Containerd      string           // path of the socket of a containerd that runs; "": one of the instance's own
	CPUOvercommit   float64          // how many times the machine's CPUs tasks may reserve
	Memory          int              // MiB for tasks; 0: what the machine has, but for what it needs itself
	HostAccess      []string         // ports of this machine that are open to tasks, as in tcp:5432 and udp:8000-8100
	Uplinks         []string         // interfaces that lead beyond this machine, besides those that are found to
	DNSListen       []netip.AddrPort // where the name server answers, over UDP and TCP; none: there is none
	DNSTransfer     []netip.Prefix   // who may have its zones whole
	// Upstreams say where the pull through cache reaches a registry that isn't at its own name, as HOST=URL.
	Upstreams []string
	// Vulnerabilities is the path of records of vulnerabilities, which images are scanned for; "": none are.
	Vulnerabilities string
	// StoppedTaskRetention is how long a stopped task can still be described; 0: a day.
	StoppedTaskRetention time.Duration
	// EncryptedAtRest vouches that the disk of the data directory is encrypted, where
	// that can't be seen.
	EncryptedAtRest bool
	// RootKeyFile has the key that everything secret is sealed under; "": a file in
	// the data directory, made at first start. RootPassphrase is in place of a file.
	RootKeyFile, RootPassphrase string
	// ACMEDirectory is the URL of the ACME directory that issues certificates; "": the instance's own authority does.
	// ACMEEmail is where it writes to, and ACMERoots the file of the roots that it is trusted by; "": the system's.
	ACMEDirectory, ACMEEmail, ACMERoots string
	// AccessLogInterval is how often load balancers' logs are delivered; 0: every five minutes, as on AWS.
	AccessLogInterval time.Duration

	Version string
	Log     *slog.Logger
	// OpenHost opens what tasks run on; nil: a container engine and the kernel of this machine.
	OpenHost func(context.Context, Config, instance.Instance) (Host, error)
}

var (
	accountForm = regexp.MustCompile(`^\d{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`)
)

// minRetention gives whoever waits for a task to stop the time to see that it
// did.
const minRetention = time.Minute

// retention is how long a stopped task can still be described.
func (c Config) retention() time.Duration { return cmp.Or(c.StoppedTaskRetention, 24*time.Hour) }

// check returns what is wrong with the configuration, and how to mend it.
func (c Config) check() error {
	host, port, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil || port == "":
		return fmt.Errorf("--listen %q must be address:port, as in 127.0.0.1:4566", c.Listen)
	case host == "":
		return fmt.Errorf("--listen %q must name an address: images are pushed to it, as in 127.0.0.1:4566", c.Listen)
	case !regionForm.MatchString(c.Region):
		return fmt.Errorf("--region %q must be a region's name, as in us-west-2", c.Region)
	case c.AccountID != "" && !accountForm.MatchString(c.AccountID):
		return fmt.Errorf("--account-id %q must be 12 digits", c.AccountID)
	case !c.LBAddress.Is4():
		return fmt.Errorf("--lb-address %s must be an IPv4 address of this machine", c.LBAddress)
	case !c.VPCCIDR.Addr().Is4() || c.VPCCIDR.Masked() != c.VPCCIDR || c.VPCCIDR.Bits() < 16 || c.VPCCIDR.Bits() > 26:
		return fmt.Errorf("--vpc-cidr %s must be an IPv4 range from /16 to /26 whose host bits are zero, as in 172.31.0.0/16", c.VPCCIDR)
	case badPublic(c.PublicAddresses, c.VPCCIDR) >= 0:
		return fmt.Errorf("--public-addresses %s must be an IPv4 address, or a range from /16 whose host bits are zero, outside of --vpc-cidr, as in 203.0.113.0/28", c.PublicAddresses[badPublic(c.PublicAddresses, c.VPCCIDR)])
	case c.retention() < minRetention:
		return fmt.Errorf("--stopped-task-retention %s must be at least %s, as in 24h", c.StoppedTaskRetention, minRetention)
	case c.AccessLogInterval != 0 && (c.AccessLogInterval < time.Second || c.AccessLogInterval > time.Hour):
		return fmt.Errorf("--access-log-interval %s must be from 1s to 1h", c.AccessLogInterval)
	case c.CPUOvercommit < 1 || c.CPUOvercommit > 1000:
		return fmt.Errorf("--cpu-overcommit %g must be a number from 1 to 1000: how many times the machine's CPUs tasks may reserve", c.CPUOvercommit)
	case c.RootKeyFile != "" && c.RootPassphrase != "":
		return errors.New("--root-key-file and --root-passphrase exclude each other: the root key is in the file, or made of the passphrase")
	case c.ACMEDirectory == "" && c.ACMEEmail+c.ACMERoots != "":
		return errors.New("--acme-email and --acme-roots need --acme-directory")
	case c.ACMEDirectory != "" && !isHTTPS(c.ACMEDirectory):
		return fmt.Errorf("--acme-directory %q must be a URL with https (RFC 8555, 6.1)", c.ACMEDirectory)
	case c.ACMEEmail != "" && !isMail(c.ACMEEmail):
		return fmt.Errorf("--acme-email %q must be a mail address, as in ops@example.com", c.ACMEEmail)
	case c.Memory < 0:
		return fmt.Errorf("--memory %d must be the MiB that tasks may have, or 0 for what the machine has", c.Memory)
	case !slices.Contains([]string{"", "docker", "containerd"}, c.EngineName):
		return fmt.Errorf("--engine %q must be docker or containerd", c.EngineName)
	case c.Containerd != "" && c.EngineName == "docker":
		return errors.New("--containerd is of no use to --engine docker: leave one of them away")
	case c.Containerd != "" && !filepath.IsAbs(c.Containerd):
		return fmt.Errorf("--containerd %q must be the path of a containerd's socket, as in /run/containerd/containerd.sock", c.Containerd)
	case badUplink(c.Uplinks) >= 0:
		return fmt.Errorf("--uplink %q must be the name of a network interface, as in eth1", c.Uplinks[badUplink(c.Uplinks)])
	}
	if _, err := c.hostAccess(); err != nil {
		return err
	}
	if err := c.checkDNS(); err != nil {
		return err
	}
	if _, err := c.upstreams(); err != nil {
		return err
	}
	if err := vulndb.Check(c.Vulnerabilities); err != nil {
		return fmt.Errorf("--vulnerabilities must be a directory, an archive or a file of OSV records: %w", err)
	}
	if os.Geteuid() != 0 {
		return errors.New("skylift serve must run as root, to make network interfaces and firewall rules: start it with sudo")
	}
	return nil
}

// root says where the root key comes from.
func (c Config) root() seal.Root { return rootOf(c.DataDir, c.RootKeyFile, c.RootPassphrase) }

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func isMail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

// badUplink is the index of the first that can't be an interface's name, or -1.
func badUplink(names []string) int {
	return slices.IndexFunc(names, func(n string) bool { return n == "" || len(n) > 15 || strings.ContainsAny(n, "/ \t") })
}

// badPublic is the index of the first that public addresses can't be given from, or -1.
func badPublic(ranges []netip.Prefix, vpc netip.Prefix) int {
	return slices.IndexFunc(ranges, func(p netip.Prefix) bool {
		return !p.Addr().Is4() || p.Bits() < 16 || p.Masked() != p || p.Overlaps(vpc)
	})
}

// publicAddresses are what public addresses are given from: without the flag a range of loopback, another one for each
// instance.
func (c Config) publicAddresses(instance string) []netip.Prefix {
	if len(c.PublicAddresses) > 0 {
		return c.PublicAddresses
	}
	sum := sha256.Sum256([]byte(instance))
	const low, many = 64, 128 // 127.0.0.x and its neighbours are for others
	return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127, low + sum[0]%many, sum[1] & 0xf0, 0}), 20)}
}

// hostAccess is the ports of this machine that are open to tasks.
func (c Config) hostAccess() ([]vpc.Ports, error) {
	var all []vpc.Ports
	for _, s := range c.HostAccess {
		p, err := vpc.ParsePorts(s)
		if err != nil {
			return nil, fmt.Errorf("--host-access %w", err)
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all, nil
}

// upstreams is where registries are reached that aren't at their own names, by host.
func (c Config) upstreams() (map[string]url.URL, error) {
	places := make(map[string]url.URL, len(c.Upstreams))
	for _, s := range c.Upstreams {
		host, at, ok := strings.Cut(s, "=")
		u, err := url.Parse(at)
		if !ok || host == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("--upstream %q must be a registry's host and where it is reached, as in registry-1.docker.io=https://mirror.example.com", s)
		}
		places[host] = url.URL{Scheme: u.Scheme, Host: u.Host}
	}
	return places, nil
}

// hostAddress is where tasks find the machine; invalid: nothing of it is open
// to them.
func (c Config) hostAddress() netip.Addr {
	if len(c.HostAccess) == 0 {
		return netip.Addr{}
	}
	return vpc.Router(c.VPCCIDR)
}

// listen takes the APIs' port, once it is clear that balancers can listen too.
func (c Config) listen() (net.Listener, error) {
	if err := try(netip.AddrPortFrom(c.LBAddress, 0).String()); err != nil {
		return nil, fmt.Errorf("load balancers can't listen at --lb-address: %w", err)
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --listen", explain(c.Listen, err))
	}
	return ln, nil
}

// try returns why nothing can listen at addr; nil if something can.
func try(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return explain(addr, err)
	}
	return ln.Close()
}

// explain says in words why listening at addr failed.
func explain(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program of this machine", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine", addr)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// instance is what the configuration makes of the data directory.
func (c Config) instance() instance.Instance {
	return instance.Instance{
		AccountID: c.AccountID, Region: c.Region, Listen: strings.Replace(c.Listen, "0.0.0.0", "127.0.0.1", 1),
		LBAddress: c.LBAddress, VPCCIDR: c.VPCCIDR,
	}
}
