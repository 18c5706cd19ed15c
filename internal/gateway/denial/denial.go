// Package denial writes what DecodeAuthorizationMessage tells of a denied call.
package denial

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/skylift/skylift/internal/policy"
)

// What DecodeAuthorizationMessage tells of a denied call
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html).
type (
	message struct {
		Allowed           bool            `json:"allowed"`
		ExplicitDeny      bool            `json:"explicitDeny"`
		MatchedStatements items[matched]  `json:"matchedStatements"`
		Failures          items[struct{}] `json:"failures"`
		Context           situation       `json:"context"`
	}
	items[T any] struct {
		Items []T `json:"items"`
	}
	matched struct {
		StatementID string `json:"statementId"`
		Effect      string `json:"effect"`
		Policy      string `json:"policy"` // which AWS doesn't say
	}
	situation struct {
		Principal  principal        `json:"principal"`
		Action     string           `json:"action"`
		Resource   string           `json:"resource"`
		Conditions items[condition] `json:"conditions"`
	}
	principal struct {
		ID  string `json:"id"`
		ARN string `json:"arn"`
	}
	condition struct {
		Key    string       `json:"key"`
		Values items[value] `json:"values"`
	}
	value struct {
		Value string `json:"value"`
	}
)

// InSecret is what a denied call is told that its caller can't read without a permission; "" when there is nothing. Encode may be nil.
func InSecret(encode func(message []byte) string, asked policy.Call, d policy.Decision) string {
	if encode == nil {
		return ""
	}
	text := encode(Message(asked, d))
	if text == "" {
		return ""
	}
	return ". Encoded authorization failure message: " + text
}

// Message returns what is told of a call that policy denied, in JSON.
func Message(asked policy.Call, d policy.Decision) []byte {
	m := message{
		ExplicitDeny: d.Effect == policy.ExplicitDeny, MatchedStatements: items[matched]{[]matched{}}, Failures: items[struct{}]{[]struct{}{}},
		Context: situation{
			Principal: principal{asked.Caller.UserID, asked.Caller.ARN}, Action: asked.Action, Resource: asked.Resource, Conditions: items[condition]{[]condition{}},
		},
	}
	if d.By != nil {
		m.MatchedStatements.Items = append(m.MatchedStatements.Items, matched{d.By.Sid, "DENY", cmp.Or(d.By.Policy.ARN, d.By.Policy.Name)})
	}
	asked.Keys.All(func(name string, values []string) {
		one := condition{Key: name, Values: items[value]{[]value{}}}
		for _, v := range values {
			one.Values.Items = append(one.Values.Items, value{v})
		}
		m.Context.Conditions.Items = append(m.Context.Conditions.Items, one)
	})
	slices.SortFunc(m.Context.Conditions.Items, func(a, b condition) int { return cmp.Compare(a.Key, b.Key) })
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // texts always encode
	}
	return text
}
