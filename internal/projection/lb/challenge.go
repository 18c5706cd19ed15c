package lb

import (
	"strings"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/acm/order"
)

// challengeID is the id of a rule that answers a challenge, before its token.
const challengeID = "acme/"

// challenges are the rules that answer what authorities look for, ahead of a listener's own
// (RFC 8555, 8.3). They are met by nothing else: a token is a random name.
func challenges(all []acm.Challenge) (out []table.Rule) {
	for _, c := range all {
		if c.Kind != order.HTTP || strings.ContainsAny(c.Where, "*?") {
			continue
		}
		out = append(out, table.Rule{
			ID: challengeID + c.Token,
			Conditions: []table.Condition{
				{Field: table.HostHeader, Values: []string{c.Name}},
				{Field: table.PathPattern, Values: []string{c.Where}},
			},
			Action: table.Action{Fixed: &table.Fixed{Status: 200, ContentType: "application/octet-stream", Body: c.Answer}},
		})
	}
	return out
}

// Answers tells whether a table has a listener that answers a challenge.
func Answers(t *table.Table, c acm.Challenge) bool {
	for _, l := range t.Listeners {
		for _, r := range l.Rules {
			if r.ID == challengeID+c.Token {
				return true
			}
		}
	}
	return false
}
