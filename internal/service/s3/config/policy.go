package config

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/s3/record"
)

// largestPolicy is how many bytes a bucket's policy may have.
const largestPolicy = 20 << 10

func malformed(format string, args ...any) error {
	return record.Fault("MalformedPolicy", format, args...)
}

// compile reads the policy of the bucket with that name.
func compile(text, name string) (*document.Document, *policy.Policy, error) {
	if !strings.HasPrefix(text, "{") {
		return nil, nil, malformed("Policies must be valid JSON and the first byte must be '{'")
	}
	if len(text) > largestPolicy {
		return nil, nil, record.Fault("PolicyTooLarge", "The policy exceeds the maximum allowed document size of %d bytes.", largestPolicy)
	}
	d, err := document.Check(text, document.Resource)
	if err != nil {
		return nil, nil, malformed("%v", err)
	}
	for _, s := range d.Statements {
		if s.AnyResource || !slices.ContainsFunc(s.Resources, func(r string) bool { return within(r, name) }) ||
			slices.ContainsFunc(s.Resources, func(r string) bool { return !within(r, name) }) {
			return nil, nil, malformed("Policy has invalid resource")
		}
	}
	p, err := Compile(text, d, name)
	if err != nil {
		return nil, nil, malformed("%v", err)
	}
	for _, key := range p.Keys() {
		if !answered(key) {
			return nil, nil, record.Fault("NotImplemented", "The condition key %s is not supported by Skylift in a bucket's policy.", key)
		}
	}
	return d, p, nil
}

// Compile compiles a bucket's policy.
func Compile(text string, d *document.Document, name string) (*policy.Policy, error) {
	if d == nil {
		var err error
		if d, err = document.Parse(text); err != nil {
			return nil, err
		}
	}
	return policy.Compile(policy.Name{Name: "of the bucket " + name}, d, nil)
}

// within says whether a resource of a policy is the bucket with that name, or of it.
func within(resource, name string) bool {
	rest, ok := strings.CutPrefix(resource, record.BucketARN(name))
	return ok && (rest == "" || rest[0] == '/')
}

// Answers are S3's condition keys that policies are told, by their names without what stands behind a slash.
var Answers = []string{
	"s3:authtype", "s3:delimiter", "s3:existingobjecttag", "s3:if-match", "s3:if-none-match", "s3:locationconstraint", "s3:max-keys", "s3:prefix", "s3:resourceaccount",
	"s3:signatureage", "s3:signatureversion", "s3:tlsversion", "s3:x-amz-acl", "s3:x-amz-content-sha256", "s3:x-amz-copy-source", "s3:x-amz-metadata-directive",
	"s3:x-amz-object-ownership", "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:x-amz-server-side-encryption-customer-algorithm",
	"s3:x-amz-storage-class", "s3:x-amz-website-redirect-location",
	// Requests that say these are refused, so a condition on one finds none.
	"s3:x-amz-grant-full-control", "s3:x-amz-grant-read", "s3:x-amz-grant-read-acp", "s3:x-amz-grant-write", "s3:x-amz-grant-write-acp",
}

func answered(key string) bool {
	name, _, _ := strings.Cut(strings.ToLower(key), "/")
	return !strings.HasPrefix(name, "s3:") || slices.Contains(Answers, name)
}

// fixed are the condition keys whose values, where they have no wildcard, make a statement not public
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status).
var fixed = []string{
	"aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:userid", "aws:principalorgid", "aws:principalarn",
	"aws:principalaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointarn", "s3:dataaccesspointaccount",
}

// Public says whether a policy gives something to everybody.
func Public(d *document.Document) bool {
	return slices.ContainsFunc(d.Statements, func(s document.Statement) bool {
		return s.Effect == "Allow" && s.Principals != nil && s.Principals.Everybody && !slices.ContainsFunc(s.Conditions, narrows)
	})
}

// holding are the operators that are true only where a key has one of the values.
var holding = []string{"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"}

func narrows(c document.Condition) bool {
	key, operator := strings.ToLower(c.Key), strings.TrimPrefix(strings.ToLower(c.Operator), "foranyvalue:")
	if key == "aws:sourceip" && operator == "ipaddress" {
		return !slices.ContainsFunc(c.Values, wide)
	}
	return slices.Contains(fixed, key) && slices.Contains(holding, operator) && !slices.ContainsFunc(c.Values, func(v string) bool { return strings.ContainsAny(v, "*?$") })
}

// wide says whether a range of addresses is so large that it is everybody's.
func wide(value string) bool {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return false // one address
	}
	return p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 32
}

// GetBucketPolicy returns the policy as it was sent.
func (a API) GetBucketPolicy(ctx context.Context, in *s3.GetBucketPolicyInput) (*s3.GetBucketPolicyOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketPolicyOutput, error) {
		if b.Policy == "" {
			return nil, noPolicy(b)
		}
		return &s3.GetBucketPolicyOutput{Policy: &b.Policy}, nil
	})
}

func noPolicy(b *record.Bucket) error {
	return none("NoSuchBucketPolicy", "The bucket policy does not exist", b)
}

// GetBucketPolicyStatus says whether the policy gives something to everybody.
func (a API) GetBucketPolicyStatus(ctx context.Context, in *s3.GetBucketPolicyStatusInput) (*s3.GetBucketPolicyStatusOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketPolicyStatusOutput, error) {
		if b.Policy == "" {
			return nil, noPolicy(b)
		}
		d, err := document.Parse(b.Policy)
		if err != nil {
			return nil, err
		}
		return &s3.GetBucketPolicyStatusOutput{PolicyStatus: &types.PolicyStatus{IsPublic: new(Public(d))}}, nil
	})
}

// PutBucketPolicy says who may do what with the bucket and its objects.
func (a API) PutBucketPolicy(ctx context.Context, in *s3.PutBucketPolicyInput) (*s3.PutBucketPolicyOutput, error) {
	d, _, err := compile(*in.Policy, *in.Bucket)
	if err != nil {
		return nil, err
	}
	return change[s3.PutBucketPolicyOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		if b.Access != nil && b.Access.Policy && Public(d) {
			return record.Fault("AccessDenied", "Access Denied: public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
		}
		b.Policy = *in.Policy
		return nil
	})
}

// DeleteBucketPolicy removes the policy.
func (a API) DeleteBucketPolicy(ctx context.Context, in *s3.DeleteBucketPolicyInput) (*s3.DeleteBucketPolicyOutput, error) {
	return change[s3.DeleteBucketPolicyOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Policy = ""
		return nil
	})
}
