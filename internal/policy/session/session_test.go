package session

import (
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
)

const (
	account = "111122223333"
	roleARN = "arn:aws:iam::" + account + ":role/app/worker"
)

func compiled(t *testing.T, text string, kind document.Kind) *policy.Policy {
	t.Helper()
	d, err := document.Check(text, kind)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	p, err := policy.Compile(policy.Name{Name: "p"}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// trusting is a role that trusts whom the text says, by these actions.
func trusting(t *testing.T, principal, actions, condition string) Role {
	t.Helper()
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":` + actions + condition + `}]}`
	return Role{ARN: roleARN, ID: "AROAX", Trust: compiled(t, text, document.Trust), Tags: map[string]string{"team": "blue"}}
}

func user(policies ...*policy.Policy) Caller {
	p := policy.Principal{
		Type: policy.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/ada", Entity: "arn:aws:iam::" + account + ":user/ada",
		EntityID: "AIDAX", UserID: "AIDAX",
	}
	return Caller{Principal: p, Policies: policy.Policies{Identity: policies}, Keys: p.Keys()}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	may := compiled(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+roleARN+`"}]}`, document.Inline)
	forbidden := compiled(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}`, document.Inline)
	byTags := compiled(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/team":"blue"}}}]}`, document.Inline)
	const (
		ada     = `{"AWS":"arn:aws:iam::111122223333:user/ada"}`
		whole   = `{"AWS":"111122223333"}`
		other   = `{"AWS":"arn:aws:iam::999988887777:root"}`
		tasks   = `{"Service":"ecs-tasks.amazonaws.com"}`
		one     = `"sts:AssumeRole"`
		tagging = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	)
	task := Service("ecs-tasks.amazonaws.com", "arn:aws:ecs:us-west-2:111122223333:task/c/1", account, time.Unix(1e9, 0))
	named := Request{Caller: user(), Name: "s1"}
	for _, tc := range []struct {
		name                        string
		principal, actions, reading string
		ask                         Request
		want                        bool
	}{
		{"a user that is named", ada, one, "", named, true},
		{"and denied by its own policies", ada, one, "", Request{Caller: user(forbidden), Name: "s1"}, false},
		{"the account, which leaves it to policies", whole, one, "", named, false},
		{"the account, and the policies do", whole, one, "", Request{Caller: user(may), Name: "s1"}, true},
		{"the account, and they do by the role's tags", whole, one, "", Request{Caller: user(byTags), Name: "s1"}, true},
		{"policies alone", other, one, "", Request{Caller: user(may), Name: "s1"}, false},
		{"a service", tasks, one, "", Request{Caller: task, Name: "s1"}, true},
		{"another service", tasks, one, "", Request{Caller: Service("ec2.amazonaws.com", "", account, time.Now()), Name: "s1"}, false},
		{"a service, and a trust in users", ada, one, "", Request{Caller: task, Name: "s1"}, false},
		{"a service for the account", tasks, one, `{"StringEquals":{"aws:SourceAccount":"111122223333"},"ArnLike":{"aws:SourceArn":"arn:aws:ecs:us-west-2:111122223333:*"}}`, Request{Caller: task}, true},
		{"a service for another account", tasks, one, `{"StringEquals":{"aws:SourceAccount":"999988887777"}}`, Request{Caller: task}, false},
		{"without the external id", ada, one, `{"StringEquals":{"sts:ExternalId":"x-1"}}`, named, false},
		{"with another external id", ada, one, `{"StringEquals":{"sts:ExternalId":"x-1"}}`, Request{Caller: user(), ExternalID: "x-2"}, false},
		{"with the external id", ada, one, `{"StringEquals":{"sts:ExternalId":"x-1"}}`, Request{Caller: user(), ExternalID: "x-1"}, true},
		{"by its name", ada, one, `{"StringLike":{"sts:RoleSessionName":"${aws:username}"}}`, Request{Caller: user(), Name: "ada"}, true},
		{"by another's name", ada, one, `{"StringLike":{"sts:RoleSessionName":"${aws:username}"}}`, named, false},
		{"tags that the trust doesn't allow", ada, one, "", Request{Caller: user(), Name: "s1", Tags: []KeyValue{{"a", "b"}}}, false},
		{"tags that it allows", ada, tagging, `{"StringEquals":{"aws:RequestTag/a":"b"}}`, Request{Caller: user(), Name: "s1", Tags: []KeyValue{{"a", "b"}}}, true},
		{"a source identity that it doesn't allow", ada, one, "", Request{Caller: user(), Name: "s1", SourceIdentity: "ada"}, false},
		{"a source identity that it allows", ada, tagging, `{"StringEquals":{"sts:SourceIdentity":"ada"}}`, Request{Caller: user(), Name: "s1", SourceIdentity: "ada"}, true},
	} {
		got, action := trusting(t, tc.principal, tc.actions, tc.reading).Decide(tc.ask)
		if got.Allowed() != tc.want {
			t.Errorf("%s: got %v of %s, want %v", tc.name, got.Effect, action, tc.want)
		}
		if tags := strings.HasPrefix(tc.name, "tags that the trust doesn't"); tags && action != Tag {
			t.Errorf("%s: denied by %s, want %s", tc.name, action, Tag)
		}
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	got := Role{ARN: roleARN, ID: "AROAX"}.Session("s1")
	want := policy.Principal{
		Type: policy.RoleSession, Account: account, ARN: "arn:aws:sts::111122223333:assumed-role/worker/s1", Entity: roleARN, EntityID: "AROAX", UserID: "AROAX:s1",
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
