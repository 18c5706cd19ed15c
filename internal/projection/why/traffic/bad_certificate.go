package traffic

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// BadCertificate finds certificates that clients refuse.
var BadCertificate = finding.Check{
	Number: 36, Name: "bad-certificate", Title: "A certificate has expired, is for another name, or isn't issued",
	Shows: "Browsers warn: NET::ERR_CERT_DATE_INVALID or ERR_CERT_COMMON_NAME_INVALID.",
	Known: "The certificates of each HTTPS listener, their end and their names, and the host names of its rules.",
	Mend:  "Renew or import it anew, add a certificate for the name, or make the record that its validation waits for.",
	Find:  badCertificate,
}

// soon is how long before its end an imported certificate is warned of.
const soon = 14 * 24 * time.Hour

func badCertificate(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, l := range s.Listeners {
		var all []acm.Certificate
		for _, arn := range l.Certificates() {
			i := slices.IndexFunc(s.Certificates, func(c acm.Certificate) bool { return c.ARN == arn })
			if i < 0 {
				continue
			}
			all = append(all, s.Certificates[i])
			if f, ok := expired(s, l, s.Certificates[i]); ok {
				out = append(out, f)
			}
		}
		out = append(out, unnamed(s, l, all)...)
	}
	for _, c := range s.Certificates {
		if f, ok := unissued(s, c); ok {
			out = append(out, f)
		}
	}
	return out
}

func expired(s *snapshot.Snapshot, l elbv2.Listener, c acm.Certificate) (finding.Finding, bool) {
	leaf, err := x509.ParseCertificate(c.Leaf)
	if err != nil || leaf.NotAfter.Sub(s.Now) > soon || c.Request != nil && leaf.NotAfter.After(s.Now) {
		return finding.Finding{}, false
	}
	b, _ := s.Balancer(l.LoadBalancer)
	f := finding.Finding{
		Cause: fmt.Sprintf("the certificate for %s of load balancer %s, port %d, has expired", c.Domain, b.Name, l.Port), Since: leaf.NotAfter, Level: finding.Down,
		About:    []string{snapshot.CertificateKey(c.ARN), snapshot.ListenerKey(l.ARN), snapshot.BalancerKey(b.ARN), snapshot.HostKey(c.Domain)},
		Evidence: []finding.Evidence{{What: "certificate", Says: fmt.Sprintf("valid until %s, for %s", leaf.NotAfter.UTC().Format(time.RFC3339), strings.Join(c.Names, ", "))}},
	}
	if leaf.NotAfter.After(s.Now) {
		f.Cause, f.Level, f.Since = fmt.Sprintf("the certificate for %s of load balancer %s, port %d, expires in %d days", c.Domain, b.Name, l.Port, int(leaf.NotAfter.Sub(s.Now).Hours()/24)), finding.Warned, time.Time{}
	}
	if c.Request != nil {
		f.Mend = []finding.Mend{finding.Do("renew it", finding.NewCall("acm", "RenewCertificate", "CertificateArn", c.ARN))}
		if c.Request.Trouble != "" {
			f.Evidence = append(f.Evidence, finding.Evidence{What: "renewal", Says: c.Request.Trouble})
		}
	} else {
		f.Mend = []finding.Mend{finding.Do("import a new one in its place", finding.NewCall("acm", "ImportCertificate", "CertificateArn", c.ARN,
			"Certificate", "fileb://cert.pem", "PrivateKey", "fileb://key.pem", "CertificateChain", "fileb://chain.pem"))}
	}
	return f, true
}

// unnamed finds host names of a listener's rules that none of its certificates is for.
func unnamed(s *snapshot.Snapshot, l elbv2.Listener, all []acm.Certificate) (out []finding.Finding) {
	if l.TLS == nil || len(all) == 0 {
		return nil
	}
	b, _ := s.Balancer(l.LoadBalancer)
	for _, r := range s.Rule {
		if r.Listener != l.ARN {
			continue
		}
		for _, host := range snapshot.HostsOf(r) {
			if slices.ContainsFunc(all, func(c acm.Certificate) bool { return isFor(c, host) }) {
				continue
			}
			out = append(out, finding.Finding{
				Cause: fmt.Sprintf("no certificate of load balancer %s, port %d, is for %s: clients that ask for it get the one for %s", b.Name, l.Port, host, all[0].Domain), Level: finding.Limited,
				About:    []string{snapshot.HostKey(host), snapshot.RuleKey(r.ARN), snapshot.ListenerKey(l.ARN), snapshot.BalancerKey(b.ARN)},
				Evidence: []finding.Evidence{{What: "certificates", Says: domains(all)}},
				Mend: []finding.Mend{
					finding.Do("ask for one", finding.NewCall("acm", "RequestCertificate", "DomainName", host, "ValidationMethod", "DNS")),
					finding.Change("and add it to the listener: aws elbv2 add-listener-certificates --listener-arn " + l.ARN + " --certificates CertificateArn=…"),
				},
			})
		}
	}
	return out
}

func domains(all []acm.Certificate) string {
	var names []string
	for _, c := range all {
		names = append(names, c.Names...)
	}
	return "for " + strings.Join(names, ", ")
}

func isFor(c acm.Certificate, host string) bool {
	return slices.ContainsFunc(c.Names, func(name string) bool {
		_, parent, _ := strings.Cut(host, ".")
		return strings.EqualFold(name, host) || strings.HasPrefix(name, "*.") && strings.EqualFold(name[2:], parent)
	})
}

// unissued finds certificates that were asked for and not issued.
func unissued(s *snapshot.Snapshot, c acm.Certificate) (finding.Finding, bool) {
	if c.Request == nil || c.Status != types.CertificateStatusPendingValidation && c.Status != types.CertificateStatusFailed || s.Now.Sub(c.CreatedAt) < time.Minute {
		return finding.Finding{}, false
	}
	f := finding.Finding{
		Cause: fmt.Sprintf("the certificate for %s isn't issued: its validation is %s", c.Domain, strings.ToLower(string(c.Status))), Since: c.CreatedAt, Level: finding.Limited,
		About:    []string{snapshot.CertificateKey(c.ARN), snapshot.HostKey(c.Domain)},
		Evidence: []finding.Evidence{{What: "certificate", Says: fmt.Sprintf("%s, asked for at %s", c.Status, c.CreatedAt.UTC().Format(time.RFC3339))}},
		Mend: []finding.Mend{
			finding.Do("see which record its validation looks for", finding.NewCall("acm", "DescribeCertificate", "CertificateArn", c.ARN)),
			finding.Change("and make that record in the domain's zone"),
		},
	}
	if c.Request.Trouble != "" {
		f.Evidence = append(f.Evidence, finding.Evidence{What: "authority", Says: c.Request.Trouble})
	}
	return f, true
}
