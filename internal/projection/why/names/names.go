// Package names finds why a host name leads nowhere, or to the wrong place.
package names

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/route53/record"
)

// Checks are those of this package.
var Checks = []finding.Check{Dangling, OneSided}

// Dangling finds records that lead to what isn't there.
var Dangling = finding.Check{
	Number: 37, Name: "name-dangling", Title: "A CNAME or alias leads nowhere, or to an old balancer; or nobody asks the name server",
	Shows: "The name doesn't resolve, or resolves to an address that doesn't answer.",
	Known: "The records of all zones, the balancers that there are, and whether the name server runs.",
	Mend:  "Let the record lead to the balancer that there is now; start the name server with --dns-listen.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return append(dangling(s), unasked(s)...) },
}

// suffix is how the names of balancers end.
func suffix(s *snapshot.Snapshot) string {
	if len(s.Balancers) == 0 {
		return ".elb.localhost"
	}
	_, rest, _ := strings.Cut(s.Balancers[0].DNSName, ".")
	return "." + rest
}

func dangling(s *snapshot.Snapshot) (out []finding.Finding) {
	ends := suffix(s)
	for _, set := range s.Sets {
		for _, to := range leads(set) {
			to = strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(to, ".")), "dualstack.")
			if !strings.HasSuffix(to, ends) || slices.ContainsFunc(s.Balancers, func(b elbv2.LoadBalancer) bool { return strings.EqualFold(b.DNSName, to) }) {
				continue
			}
			name := strings.TrimSuffix(set.Name, ".")
			f := finding.Finding{
				Cause: fmt.Sprintf("%s leads to %s, which is no load balancer's name any more", name, to), Level: finding.Down,
				About:    []string{snapshot.HostKey(name)},
				Evidence: []finding.Evidence{{What: "record", Says: fmt.Sprintf("%s %s in zone %s", set.Type, to, set.Zone)}},
			}
			if b, ok := meant(s, name); ok {
				f.About = append(f.About, snapshot.BalancerKey(b.ARN))
				f.Mend = []finding.Mend{finding.Do("let it lead to load balancer "+b.Name, pointing(set, b.DNSName))}
			} else {
				f.Mend = []finding.Mend{finding.Change("let it lead to the balancer that there is now, or delete it")}
			}
			out = append(out, f)
		}
	}
	return out
}

// leads are the names that a set leads to.
func leads(set record.Set) []string {
	switch {
	case set.Alias != nil:
		return []string{set.Alias.Name}
	case set.Type == "CNAME":
		return set.Values
	}
	return nil
}

// meant is the balancer that has a rule for a name, or the only one.
func meant(s *snapshot.Snapshot, name string) (elbv2.LoadBalancer, bool) {
	for _, r := range s.Rule {
		if slices.Contains(snapshot.HostsOf(r), name) {
			return s.Balancer(r.LoadBalancer)
		}
	}
	if len(s.Balancers) == 1 {
		return s.Balancers[0], true
	}
	return elbv2.LoadBalancer{}, false
}

// pointing is the call that lets a set lead to another name.
func pointing(set record.Set, to string) finding.Call {
	next := map[string]any{"Name": set.Name, "Type": set.Type}
	if set.Alias != nil {
		next["AliasTarget"] = map[string]any{"HostedZoneId": set.Alias.Zone, "DNSName": to, "EvaluateTargetHealth": set.Alias.Evaluate}
	} else {
		next["TTL"], next["ResourceRecords"] = set.TTL, []any{map[string]string{"Value": to}}
	}
	return finding.NewCall("route53", "ChangeResourceRecordSets", "HostedZoneId", set.Zone,
		"ChangeBatch", map[string]any{"Changes": []any{map[string]any{"Action": "UPSERT", "ResourceRecordSet": next}}})
}

// unasked finds public zones that no name server answers for.
func unasked(s *snapshot.Snapshot) (out []finding.Finding) {
	if len(s.DNS) > 0 {
		return nil
	}
	for _, z := range s.Zones {
		if z.Private {
			continue
		}
		name := strings.TrimSuffix(z.Name, ".")
		out = append(out, finding.Finding{
			Cause: fmt.Sprintf("nobody answers for zone %s: the name server is off", name), Level: finding.Limited, Since: z.Created,
			About:    append([]string{snapshot.HostKey(name)}, hostsIn(s, z)...),
			Evidence: []finding.Evidence{{What: "name server", Says: "skylift serve was started without --dns-listen"}},
			Mend:     []finding.Mend{finding.Run("start it", "skylift serve --dns-listen 127.0.0.1:8053"), finding.Run("and see how this machine asks it", "skylift dns setup")},
		})
	}
	return out
}

// hostsIn are the keys of the names in a zone.
func hostsIn(s *snapshot.Snapshot, z record.Zone) (keys []string) {
	for _, set := range s.Sets {
		if set.Zone == z.ID && set.Name != z.Name {
			keys = append(keys, snapshot.HostKey(strings.TrimSuffix(set.Name, ".")))
		}
	}
	return keys
}

// OneSided finds names that resolve inside the VPC and not outside, or the other way round.
var OneSided = finding.Check{
	Number: 38, Name: "name-one-sided", Title: "A name resolves inside and not outside, or the other way round",
	Shows: "A browser doesn't find the site that tasks find; or a task doesn't find a name that the internet knows.",
	Known: "Which zones have the name: a private zone answers only inside its VPCs, and what it doesn't have isn't looked for anywhere else.",
	Mend:  "Make the record in the other zone, too.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return append(insideOnly(s), hidden(s)...) },
}

// insideOnly finds host names of internet-facing balancers that only private zones have.
func insideOnly(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, r := range s.Rule {
		b, known := s.Balancer(r.LoadBalancer)
		if !known || b.Scheme != "internet-facing" {
			continue
		}
		for _, host := range snapshot.HostsOf(r) {
			private, public := zonesWith(s, host)
			if private == "" || public != "" {
				continue
			}
			out = append(out, finding.Finding{
				Cause: fmt.Sprintf("%s resolves inside the VPC only: its record is in the private zone %s, and load balancer %s faces the internet", host, private, b.Name), Level: finding.Limited,
				About:    []string{snapshot.HostKey(host), snapshot.BalancerKey(b.ARN), snapshot.RuleKey(r.ARN)},
				Evidence: []finding.Evidence{{What: "zones", Says: "no public zone has " + host}},
				Mend:     []finding.Mend{finding.Change("make the record in a public zone, too: aws route53 change-resource-record-sets")},
			})
		}
	}
	return out
}

// zonesWith returns the private and the public zone that have a record for a name.
func zonesWith(s *snapshot.Snapshot, host string) (private, public string) {
	for _, set := range s.Sets {
		if set.Name != host+"." {
			continue
		}
		for _, z := range s.Zones {
			if z.ID == set.Zone && z.Private {
				private = strings.TrimSuffix(z.Name, ".")
			} else if z.ID == set.Zone {
				public = strings.TrimSuffix(z.Name, ".")
			}
		}
	}
	return private, public
}

// hidden finds names of public zones that a private zone of the same name hides from tasks.
func hidden(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, z := range s.Zones {
		if !z.Private {
			continue
		}
		for _, set := range s.Sets {
			if !strings.HasSuffix(set.Name, "."+z.Name) || set.Zone == z.ID || set.Type == "NS" || set.Type == "SOA" || !isPublic(s, set.Zone) {
				continue
			}
			name := strings.TrimSuffix(set.Name, ".")
			if private, _ := zonesWith(s, name); private != "" {
				continue
			}
			out = append(out, finding.Finding{
				Cause: fmt.Sprintf("%s resolves outside only: inside the VPC the private zone %s hides the public one, and doesn't have that name", name, strings.TrimSuffix(z.Name, ".")), Level: finding.Warned,
				About:    []string{snapshot.HostKey(name)},
				Evidence: []finding.Evidence{{What: "record", Says: fmt.Sprintf("%s %s in the public zone %s", set.Type, name, set.Zone)}},
				Mend:     []finding.Mend{finding.Do("make the record in the private zone, too", copied(set, z.ID))},
			})
		}
	}
	return out
}

func isPublic(s *snapshot.Snapshot, zone string) bool {
	return slices.ContainsFunc(s.Zones, func(z record.Zone) bool { return z.ID == zone && !z.Private })
}

// copied is the call that makes a set in another zone.
func copied(set record.Set, zone string) finding.Call {
	next := map[string]any{"Name": set.Name, "Type": set.Type}
	if set.Alias != nil {
		next["AliasTarget"] = map[string]any{"HostedZoneId": set.Alias.Zone, "DNSName": set.Alias.Name, "EvaluateTargetHealth": set.Alias.Evaluate}
	} else {
		values := []any{}
		for _, v := range set.Values {
			values = append(values, map[string]string{"Value": v})
		}
		next["TTL"], next["ResourceRecords"] = set.TTL, values
	}
	return finding.NewCall("route53", "ChangeResourceRecordSets", "HostedZoneId", zone,
		"ChangeBatch", map[string]any{"Changes": []any{map[string]any{"Action": "CREATE", "ResourceRecordSet": next}}})
}
