package daemon

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/elbv2/logs"
	"github.com/skylift/skylift/internal/service/s3"
)

// logDelivery is S3 as what delivers load balancers' logs sees it.
type logDelivery struct {
	m       *machine
	objects *s3.API
}

// Put implements logs.Objects.
func (d logDelivery) Put(ctx context.Context, balancer, bucket, key string, body io.Reader) error {
	return d.objects.Write(caller.WithJudge(ctx, deliveryJudge{d, balancer}.allowed), bucket, key, body)
}

// deliveryJudge judges as AWS's services that deliver a balancer's logs.
type deliveryJudge struct {
	logDelivery
	balancer string
}

// principals are those that a bucket's policy may let write logs: the service, and the account that it had in the region
// before.
func (j deliveryJudge) principals() []policy.Principal {
	all := []policy.Principal{{Type: policy.Service, ARN: logs.Service}}
	if account := logs.Accounts[j.m.ns.Region]; account != "" {
		all = append(all, policy.Principal{Type: policy.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account})
	}
	return all
}

// allowed tells whether the bucket's policy lets one of them take an action.
func (j deliveryJudge) allowed(ctx context.Context, action, resource string, asked map[string][]string) (err error) {
	for _, who := range j.principals() {
		keys := j.keysOf(who)
		for name, values := range asked {
			keys.Set(name, values[0])
		}
		own, err := j.objects.Policy(ctx, who, action, resource)
		if err != nil {
			return err
		}
		call := policy.Call{Caller: who, Action: action, Resource: resource, Keys: keys, Owner: j.m.ns.Account}
		if policy.Decide(call, policy.Policies{Resource: own}).Allowed() {
			return nil
		}
	}
	return awserr.New("AccessDenied", "Access Denied: the bucket's policy doesn't let %s take the action %s on %s", logs.Service, action, resource)
}

// keysOf returns the condition keys about a call of one of them
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
func (j deliveryJudge) keysOf(who policy.Principal) policy.Keys {
	k := who.Keys()
	now := time.Now().UTC()
	k.Set("aws:CurrentTime", now.Format(time.RFC3339))
	k.Set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	k.Set("aws:SecureTransport", "true")
	k.Set("aws:ViaAWSService", "false")
	k.Set("aws:RequestedRegion", j.m.ns.Region)
	k.Set("s3:ResourceAccount", j.m.ns.Account)
	if who.Type == policy.Service {
		k.Set("aws:SourceArn", j.balancer)
		k.Set("aws:SourceAccount", j.m.ns.Account)
	}
	return k
}
