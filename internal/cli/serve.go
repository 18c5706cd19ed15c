package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/skylift/skylift/internal/daemon"
)

type serveCmd struct {
	dataDir
	rootKey
	Listen        string        `help:"Address of the APIs and the registry." default:"127.0.0.1:4566" env:"SKYLIFT_LISTEN"`
	Region        string        `help:"AWS region that the instance answers as." default:"us-west-2" env:"SKYLIFT_REGION"`
	AccountID     string        `help:"AWS account that the instance answers as, 12 digits. Without it, the first start makes one." env:"SKYLIFT_ACCOUNT_ID" placeholder:"DIGITS"`
	LBAddress     string        `name:"lb-address" help:"Address that load balancers listen at." default:"127.0.0.1" env:"SKYLIFT_LB_ADDRESS"`
	VPCCIDR       string        `name:"vpc-cidr" help:"Range of the default VPC." default:"172.31.0.0/16" env:"SKYLIFT_VPC_CIDR"`
	Public        []string      `name:"public-addresses" help:"An address or a range that public addresses are given from, as in 203.0.113.0/28. This machine has them, or they are routed to it. Without it: a range of loopback, which only this machine reaches." env:"SKYLIFT_PUBLIC_ADDRESSES" placeholder:"CIDR"`
	EtcdEndpoints []string      `help:"An etcd cluster to keep the records in, instead of the embedded one." env:"SKYLIFT_ETCD_ENDPOINTS" placeholder:"URL"`
	Engine        string        `help:"Engine that runs tasks: docker or containerd. Without it: the one that runs them already, else containerd where it is installed." env:"SKYLIFT_ENGINE" placeholder:"NAME"`
	Containerd    string        `help:"Socket of a containerd that runs, to use instead of one of the instance's own." env:"SKYLIFT_CONTAINERD" placeholder:"PATH"`
	CPUOvercommit float64       `name:"cpu-overcommit" help:"How many times the machine's CPUs tasks may reserve." default:"4" env:"SKYLIFT_CPU_OVERCOMMIT" placeholder:"FACTOR"`
	Memory        int           `help:"MiB of memory that tasks may reserve; 0: all but what the machine needs itself." default:"0" env:"SKYLIFT_MEMORY" placeholder:"MIB"`
	HostAccess    []string      `name:"host-access" help:"Ports of this machine that tasks reach, at host.skylift.internal, as in tcp:5432 or udp:8000-8100." env:"SKYLIFT_HOST_ACCESS" placeholder:"PROTOCOL:PORT"`
	Uplinks       []string      `name:"uplink" help:"An interface that leads beyond this machine, besides those that Skylift finds." env:"SKYLIFT_UPLINK" placeholder:"NAME"`
	Upstreams     []string      `name:"upstream" help:"Where the pull through cache reaches a registry, as in registry-1.docker.io=https://mirror.example.com." env:"SKYLIFT_UPSTREAM" placeholder:"HOST=URL"`
	Vulnerable    string        `name:"vulnerabilities" help:"Vulnerabilities that images are scanned for: OSV records in a directory, a .zip or a .json file. Without it, scans fail." env:"SKYLIFT_VULNERABILITIES" placeholder:"PATH" type:"path"`
	ACMEDirectory string        `name:"acme-directory" help:"URL of an ACME directory that issues the certificates that are requested, as https://acme-v02.api.letsencrypt.org/directory: you agree to its terms. Without it, the instance's own authority does." env:"SKYLIFT_ACME_DIRECTORY" placeholder:"URL"`
	ACMEEmail     string        `name:"acme-email" help:"Address that the ACME directory may write to." env:"SKYLIFT_ACME_EMAIL" placeholder:"ADDRESS"`
	ACMERoots     string        `name:"acme-roots" help:"Roots that the ACME directory's own certificate is checked with, in PEM, instead of the system's." env:"SKYLIFT_ACME_ROOTS" placeholder:"FILE" type:"path"`
	DNSListen     []string      `name:"dns-listen" help:"Address that the name server answers at, over UDP and TCP, as in 127.0.0.1:5353. Without it there is none." env:"SKYLIFT_DNS_LISTEN" placeholder:"ADDRESS:PORT"`
	DNSTransfer   []string      `name:"dns-transfer" help:"Range of addresses that may have zones whole (AXFR)." env:"SKYLIFT_DNS_TRANSFER" placeholder:"CIDR"`
	Retention     time.Duration `name:"stopped-task-retention" help:"How long a stopped task can still be described." default:"24h" env:"SKYLIFT_STOPPED_TASK_RETENTION" placeholder:"DURATION"`
	LogInterval   time.Duration `name:"access-log-interval" help:"How often load balancers' access, connection and health check logs are delivered to their buckets." default:"5m" env:"SKYLIFT_ACCESS_LOG_INTERVAL" placeholder:"DURATION"`
	Encrypted     bool          `name:"encrypted-at-rest" help:"Vouch that the data directory's disk is encrypted, where Linux doesn't see it: file systems may be Encrypted then." env:"SKYLIFT_ENCRYPTED_AT_REST"`
	LogFormat     string        `help:"text or json." enum:"text,json" default:"text" env:"SKYLIFT_LOG_FORMAT"`
	LogLevel      string        `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"SKYLIFT_LOG_LEVEL"`
}

func (s serveCmd) Run(ctx context.Context, c console) error {
	lb, err := netip.ParseAddr(s.LBAddress)
	if err != nil {
		return usageError{fmt.Errorf("--lb-address %q must be an IPv4 address of this machine", s.LBAddress)}
	}
	cidr, err := netip.ParsePrefix(s.VPCCIDR)
	if err != nil {
		return usageError{fmt.Errorf("--vpc-cidr %q must be an IPv4 range, as in 172.31.0.0/16", s.VPCCIDR)}
	}
	public, err := s.public()
	if err != nil {
		return usageError{err}
	}
	listen, transfer, err := s.dns()
	if err != nil {
		return usageError{err}
	}
	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		return err
	}
	passphrase, err := asker(c).passphrase(s.RootPassphrase, "Passphrase of the root key: ")
	if err != nil {
		return err
	}
	return daemon.Serve(ctx, daemon.Config{
		Listen: s.Listen, DataDir: dir, Region: s.Region, AccountID: s.AccountID, LBAddress: lb, VPCCIDR: cidr, PublicAddresses: public,
		EtcdEndpoints: s.EtcdEndpoints, EngineName: s.Engine, Containerd: s.Containerd,
		CPUOvercommit: s.CPUOvercommit, Memory: s.Memory, HostAccess: s.HostAccess, Uplinks: s.Uplinks, Upstreams: s.Upstreams,
		Vulnerabilities: s.Vulnerable, DNSListen: listen, DNSTransfer: transfer,
		StoppedTaskRetention: s.Retention, EncryptedAtRest: s.Encrypted, RootKeyFile: s.RootKeyFile, RootPassphrase: passphrase,
		ACMEDirectory: s.ACMEDirectory, ACMEEmail: s.ACMEEmail, ACMERoots: s.ACMERoots,
		AccessLogInterval: s.LogInterval,
		Version:           Version, Log: logger(c.err, s.LogFormat, s.LogLevel),
	})
}

// public is what public addresses are given from: ranges, or addresses by themselves.
func (s serveCmd) public() (ranges []netip.Prefix, err error) {
	for _, text := range s.Public {
		p, err := netip.ParsePrefix(text)
		if a, one := netip.ParseAddr(text); err != nil && one == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--public-addresses %q must be an IPv4 address or a range, as in 203.0.113.0/28", text)
		}
		ranges = append(ranges, p)
	}
	return ranges, nil
}

// dns is where the name server is to listen, and who may have its zones whole.
func (s serveCmd) dns() (listen []netip.AddrPort, transfer []netip.Prefix, err error) {
	for _, text := range s.DNSListen {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, nil, fmt.Errorf("--dns-listen %q must be address:port, as in 127.0.0.1:5353", text)
		}
		listen = append(listen, a)
	}
	for _, text := range s.DNSTransfer {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, nil, fmt.Errorf("--dns-transfer %q must be a range of addresses, as in 192.0.2.0/24", text)
		}
		transfer = append(transfer, p.Masked())
	}
	return listen, transfer, nil
}

func logger(w io.Writer, format, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // the flag's enum holds only levels
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
