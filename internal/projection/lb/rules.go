package lb

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/service/elbv2"
)

func rule(r elbv2.Rule) table.Rule {
	out := table.Rule{ID: r.ARN, Priority: int(r.Priority), Action: action(r.Action)}
	for _, c := range r.Conditions {
		out.Conditions = append(out.Conditions, condition(c))
	}
	for _, t := range r.Transforms {
		w := &table.Rewrite{Regex: t.Regex, Replace: t.Replace}
		if t.Type == "host-header-rewrite" {
			out.Action.Host = w
		} else {
			out.Action.URL = w
		}
	}
	return out
}

func condition(c elbv2.Condition) table.Condition {
	out := table.Condition{Field: table.Field(c.Field), Header: c.Header, Values: c.Values, Regex: c.Regex}
	for _, p := range c.Pairs {
		out.Pairs = append(out.Pairs, table.Pair{Key: aws.ToString(p.Key), Value: p.Value})
	}
	return out
}

func action(a elbv2.Action) table.Action {
	switch {
	case a.Fixed != nil:
		status, _ := strconv.Atoi(a.Fixed.Status) // three digits, by its validation
		return table.Action{Fixed: &table.Fixed{Status: status, ContentType: cmp.Or(a.Fixed.ContentType, "text/plain"), Body: a.Fixed.Body}}
	case a.Redirect != nil:
		status, _ := strconv.Atoi(strings.TrimPrefix(a.Redirect.Status, "HTTP_"))
		return table.Action{Redirect: &table.Redirect{
			Status: status, Protocol: a.Redirect.Protocol, Host: a.Redirect.Host, Port: a.Redirect.Port, Path: a.Redirect.Path, Query: a.Redirect.Query,
		}}
	}
	f := &table.Forward{}
	if a.Forward.Sticky {
		f.Sticky = time.Duration(aws.ToInt32(a.Forward.Duration)) * time.Second
	}
	for _, g := range a.Forward.Groups {
		f.Pools = append(f.Pools, table.WeightedPool{Pool: g.ARN, Weight: int(g.Weight)})
	}
	return table.Action{Forward: f}
}
