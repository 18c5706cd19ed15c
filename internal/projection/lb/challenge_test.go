package lb

import (
	"testing"

	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// TestChallenges: a plain listener answers what an authority looks for ahead of its rules; one with TLS doesn't, and
// neither does any for a record of DNS.
func TestChallenges(t *testing.T) {
	t.Parallel()
	page := acm.Challenge{Challenge: order.Challenge{Kind: order.HTTP, Token: "t1", Name: "a.test", Where: "/.well-known/acme-challenge/t1", Answer: "t1.key"}}
	record := acm.Challenge{Challenge: order.Challenge{Kind: order.DNS, Token: "t2", Name: "a.test", Where: "_acme-challenge.a.test", Answer: "sum"}}
	in := Input{
		LoadBalancers: []elbv2.LoadBalancer{{ARN: "lb"}},
		Listeners:     []elbv2.Listener{{ARN: "plain", LoadBalancer: "lb", Port: 80}},
		Rules:         []elbv2.Rule{{ARN: "own", Listener: "plain", LoadBalancer: "lb", Priority: 1, Action: elbv2.Action{Fixed: &elbv2.Fixed{Status: "404"}}}},
		Challenges:    []acm.Challenge{page, record},
	}
	made, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	rules := made.Listeners[0].Rules
	if len(rules) != 2 || rules[0].ID != challengeID+"t1" || rules[0].Action.Fixed.Body != page.Answer || rules[1].ID != "own" {
		t.Errorf("got %+v", rules)
	}
	if !Answers(made, page) || Answers(made, record) {
		t.Errorf("a page is answered: %t; a record: %t", Answers(made, page), Answers(made, record))
	}
}
