package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	awsefs "github.com/aws/aws-sdk-go-v2/service/efs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/sts"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// ada is the one key of a user.
type ada struct{}

func (ada) Lookup(id, _ string) (caller.Caller, string, error) {
	return caller.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/ada", UserID: "AIDA", AccessKeyID: id}, rootKey.SecretAccessKey, nil
}

func never[I, O any](t *testing.T) func(context.Context, *I) (*O, error) {
	return func(context.Context, *I) (*O, error) {
		t.Error("a handler ran that nobody may call")
		return new(O), nil
	}
}

// TestDenied calls a service of each protocol as a user whom nothing allows anything.
func TestDenied(t *testing.T) {
	t.Parallel()
	g, done := open(t, func(c *Config) {
		c.Keys = ada{}
		c.Services = []*wire.Service{
			service(t, "ecs", wire.Op("CreateCluster", never[awsecs.CreateClusterInput, awsecs.CreateClusterOutput](t)).Makes("cluster: clusterName=default").Takes("*").
				Lacks("ecs:capacity-provider ecs:fargate-ephemeral-storage-kms-key", "")),
			service(t, "ec2", wire.Op("DescribeVpcs", never[awsec2.DescribeVpcsInput, awsec2.DescribeVpcsOutput](t)).Takes("*")),
			service(t, "elasticloadbalancing", wire.Op("DescribeTags", never[elb.DescribeTagsInput, elb.DescribeTagsOutput](t)).Takes("*")),
			service(t, "elasticfilesystem", wire.Op("DeleteFileSystem", never[awsefs.DeleteFileSystemInput, awsefs.DeleteFileSystemOutput](t)).On("file-system: FileSystemId").Takes("*")),
		}
	})
	cfg := awsConfig(g, rootKey, region)
	const who = "User: arn:aws:iam::" + account + ":user/ada is not authorized to perform: "
	for _, tc := range []struct {
		call          func() error
		code, message string
		status        int
	}{
		{func() error {
			_, err := awsecs.NewFromConfig(cfg).CreateCluster(t.Context(), &awsecs.CreateClusterInput{Tags: []ecstypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
			return err
		}, "AccessDeniedException", who + "ecs:CreateCluster on resource: arn:aws:ecs:us-west-2:123456789012:cluster/default because no identity-based policy allows the ecs:CreateCluster action", http.StatusBadRequest},
		{func() error {
			_, err := awsec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &awsec2.DescribeVpcsInput{})
			return err
		}, "UnauthorizedOperation", "You are not authorized to perform this operation. " + who + "ec2:DescribeVpcs on resource: * because no identity-based policy allows the ec2:DescribeVpcs action", http.StatusForbidden},
		{func() error {
			_, err := elb.NewFromConfig(cfg).DescribeTags(t.Context(), &elb.DescribeTagsInput{ResourceArns: []string{"x"}})
			return err
		}, "AccessDenied", who + "elasticloadbalancing:DescribeTags on resource: * because no identity-based policy allows the elasticloadbalancing:DescribeTags action", http.StatusForbidden},
		{func() error {
			_, err := awsefs.NewFromConfig(cfg).DeleteFileSystem(t.Context(), &awsefs.DeleteFileSystemInput{FileSystemId: aws.String("fs-01234567")})
			return err
		}, "AccessDeniedException", who + "elasticfilesystem:DeleteFileSystem on resource: arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/fs-01234567 because no identity-based policy allows the elasticfilesystem:DeleteFileSystem action", http.StatusForbidden},
	} {
		err := tc.call()
		api, _ := errors.AsType[smithy.APIError](err)
		answer, _ := errors.AsType[*awshttp.ResponseError](err)
		if api == nil || answer == nil || api.ErrorCode() != tc.code || api.ErrorMessage() != tc.message || answer.HTTPStatusCode() != tc.status {
			t.Errorf("got %v, want %d %s: %s", err, tc.status, tc.code, tc.message)
		}
	}
	done()
	line := g.log.lines(t, "call")[0]
	for key, want := range map[string]any{
		"action": "CreateCluster", "judged": "ecs:CreateCluster ecs:TagResource", "resource": "arn:aws:ecs:us-west-2:123456789012:cluster/default",
		"code": "AccessDeniedException", "denied_by": "no statement",
	} {
		if line[key] != want {
			t.Errorf("audit line: %s is %v, want %v", key, line[key], want)
		}
	}
}

// adas is what the user may do.
type adas struct{ policies policy.Policies }

// gone is what Identity says of who has such a session.
const gone caller.Kind = "gone"

func (a adas) Identity(ctx context.Context, c caller.Caller) (Identity, error) {
	if c.Session != nil && c.Session.Kind == gone {
		return Identity{}, caller.ErrUnknownKey
	}
	who, err := onlyRoot{}.Identity(ctx, c)
	who.Policies, who.Tags = a.policies, map[string]string{"team": "blue"}
	return who, err
}

func compiled(t *testing.T, text string) *policy.Policy {
	t.Helper()
	d, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(policy.Name{Name: "inline"}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestJudged calls as a user with policies: each question must be allowed, under its conditions.
func TestJudged(t *testing.T) {
	t.Parallel()
	const here = "arn:aws:ecs:" + region + ":" + account + ":"
	text := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ecs:DeleteCluster","Resource":"` + here + `cluster/${aws:PrincipalTag/team}-*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"},"StringEquals":{"aws:ResourceTag/env":"test","aws:RequestedRegion":"us-west-2"}}},
		{"Effect":"Allow","Action":"ecs:CreateCluster","Resource":"*"},
		{"Effect":"Allow","Action":"ecs:TagResource","Resource":"*","Condition":{"StringEquals":{"ecs:CreateAction":"CreateCluster"},"ForAllValues:StringEquals":{"aws:TagKeys":["env"]}}},
		{"Sid":"no","Effect":"Deny","Action":"*","Resource":"` + here + `cluster/blue-keep"}]}`
	var refused []denial.Refusal
	g, done := open(t, func(c *Config) {
		c.Keys, c.Identities = ada{}, adas{policy.Policies{Identity: []*policy.Policy{compiled(t, text)}}}
		c.Known = func(_ context.Context, arns []string) (map[string]authz.Known, error) {
			found := map[string]authz.Known{}
			for _, a := range arns {
				if a != here+"cluster/blue-untagged" {
					found[a] = authz.Known{Tags: map[string]string{"env": "test"}}
				}
			}
			return found, nil
		}
		c.Refused = func(r denial.Refusal) { refused = append(refused, r) }
		c.Services = []*wire.Service{service(t, "sts", sts.New(sts.Config{}).Operations()...), service(t, "ecs",
			wire.Op("CreateCluster", func(context.Context, *awsecs.CreateClusterInput) (*awsecs.CreateClusterOutput, error) {
				return &awsecs.CreateClusterOutput{}, nil
			}).
				Makes("cluster: clusterName=default").Takes("*").Lacks("ecs:capacity-provider ecs:fargate-ephemeral-storage-kms-key", ""),
			wire.Op("DeleteCluster", func(context.Context, *awsecs.DeleteClusterInput) (*awsecs.DeleteClusterOutput, error) {
				return &awsecs.DeleteClusterOutput{}, nil
			}).
				On("cluster: cluster").Takes("*"))}
	})
	client := awsecs.NewFromConfig(awsConfig(g, rootKey, region))
	remove := func(name string) error {
		_, err := client.DeleteCluster(t.Context(), &awsecs.DeleteClusterInput{Cluster: &name})
		return err
	}
	create := func(tags ...string) error {
		in := &awsecs.CreateClusterInput{}
		for _, key := range tags {
			in.Tags = append(in.Tags, ecstypes.Tag{Key: &key, Value: aws.String("v")})
		}
		_, err := client.CreateCluster(t.Context(), in)
		return err
	}
	for name, tc := range map[string]struct {
		err error
		by  string // in the answer; "" for none
	}{
		"its team's":            {remove("blue-a"), ""},
		"another team's":        {remove("red-a"), "no identity-based policy allows the ecs:DeleteCluster"},
		"one without the tag":   {remove("blue-untagged"), "no identity-based policy allows"},
		"one that is kept":      {remove("blue-keep"), "with an explicit deny in an identity-based policy"},
		"without tags":          {create(), ""},
		"with a tag":            {create("env"), ""},
		"with another tag, too": {create("env", "cost"), "not authorized to perform: ecs:TagResource on resource: " + here + "cluster/default"},
	} {
		if (tc.err == nil) != (tc.by == "") || tc.err != nil && !strings.Contains(tc.err.Error(), tc.by) {
			t.Errorf("%s: got %v, want %q", name, tc.err, tc.by)
		}
	}
	if who, err := awssts.NewFromConfig(awsConfig(g, rootKey, region)).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err != nil || *who.UserId != "AIDA" {
		t.Errorf("who one is, anybody may ask: got %v, %v", who, err)
	}
	done()
	line := g.log.lines(t, "call")[3]
	if line["denied_by"] != "statement 4 (no) of policy inline" {
		t.Errorf("the audit line says %v", line)
	}
	if len(refused) != 4 || refused[2].Request != line["request"] || refused[2].Operation != "DeleteCluster" || refused[2].Caller != line["caller"] || refused[2].Statement.Sid != "no" {
		t.Errorf("told of %+v", refused)
	}
}

// sessions are ada's, by keys of those who are gone by the time that policy is asked.
type sessions struct{ ada }

func (s sessions) Lookup(id, token string) (caller.Caller, string, error) {
	c, secret, err := s.ada.Lookup(id, token)
	c.Session = &caller.Session{Kind: gone}
	return c, secret, err
}

// TestGone: who is gone since the call was let in is refused, whatever policies of resources say of strangers.
func TestGone(t *testing.T) {
	t.Parallel()
	g, _ := open(t, func(c *Config) {
		c.Keys, c.Identities = sessions{}, adas{}
		c.Services = []*wire.Service{service(t, "ecs", wire.Op("DeleteCluster", never[awsecs.DeleteClusterInput, awsecs.DeleteClusterOutput](t)).On("cluster: cluster").Takes("*"))}
	})
	_, err := awsecs.NewFromConfig(awsConfig(g, rootKey, region)).DeleteCluster(t.Context(), &awsecs.DeleteClusterInput{Cluster: aws.String("c")})
	if e, _ := errors.AsType[smithy.APIError](err); e == nil || e.ErrorCode() != "UnrecognizedClientException" {
		t.Errorf("got %v", err)
	}
}
