package resource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// all stands in an ARN for what the request does not name.
const all = "*"

// pattern is how the ARNs of a resource type look: texts[0] names[0] texts[1] names[1] … .
type pattern struct {
	kind  string // the resource type
	texts []string
	names []string // Partition, Region, Account, ClusterName, …
	own   int      // names[own:] are those of the type; the others are of every ARN
}

func parse(kind, arn string) *pattern {
	p := &pattern{kind: kind}
	for {
		text, rest, found := strings.Cut(arn, "${")
		p.texts = append(p.texts, text)
		if !found {
			return p
		}
		name, after, _ := strings.Cut(rest, "}")
		if name == "Partition" || name == "Region" || name == "Account" {
			p.own++
		}
		p.names = append(p.names, name)
		arn = after
	}
}

// patterns returns those of the service's types, the most telling first.
func patterns(s *descriptor.Service) (list []*pattern) {
	for kind := range s.Resources {
		list = append(list, parse(kind, s.Pattern(kind)))
	}
	slices.SortFunc(list, func(a, b *pattern) int {
		return cmp.Or(len(b.names)-len(a.names), cmp.Compare(a.kind, b.kind))
	})
	return list
}

// match returns what arn has in the place of each name.
func (p *pattern) match(arn string) (values []string, ok bool) {
	rest, ok := strings.CutPrefix(arn, p.texts[0])
	for _, text := range p.texts[1:] {
		value := rest
		if text != "" {
			if value, rest, ok = strings.Cut(rest, text); !ok {
				return nil, false
			}
		}
		values = append(values, value)
	}
	return values, ok
}

// fill makes an ARN. given are the values of p's own names, from the first. The last of them may
// stand for several names: web:7 for a family and its revision.
func (p *pattern) fill(ns arn.Namespace, given []string) string {
	var b strings.Builder
	for i, name := range p.names {
		b.WriteString(p.texts[i])
		n := i - p.own
		switch {
		case n < 0:
			b.WriteString(usual(ns, name))
		case n >= len(given):
			b.WriteString(all)
		case n == len(given)-1 && i+1 < len(p.names) && strings.Contains(given[n], p.texts[i+1]):
			b.WriteString(given[n])
			return b.String()
		default:
			b.WriteString(given[n])
		}
	}
	b.WriteString(p.texts[len(p.names)])
	return b.String()
}

func usual(ns arn.Namespace, name string) string {
	switch name {
	case "Partition":
		return "aws"
	case "Region":
		return ns.Region
	default:
		return ns.Account
	}
}

// from makes p's ARN out of the ARN of a resource below or above it: the service of a deployment.
func (p *pattern) from(ns arn.Namespace, of *pattern, values []string) string {
	var given []string
	for _, name := range p.names[p.own:] {
		n := slices.Index(of.names, name)
		if n < 0 {
			break
		}
		given = append(given, values[n])
	}
	return p.fill(ns, given)
}
