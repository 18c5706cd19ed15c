package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// reference is the part that matters here of what AWS's service authorization reference says of a service.
type reference struct {
	Actions map[string]struct { // by name in lower case
		Name          string         `json:"name"`
		AccessLevel   string         `json:"accessLevel"` // Tagging, Write
		ConditionKeys []string       `json:"conditionKeys"`
		ResourceTypes []resourceType `json:"resourceTypes"`
	} `json:"actions"`
	ResourceTypes map[string]struct { // by key in lower case
		ARN string `json:"arn"`
	} `json:"resourceTypes"`
}

type resourceType struct {
	Name          string   `json:"name"`
	Required      bool     `json:"required"`
	ConditionKeys []string `json:"conditionKeys"`
}

// prefixes are those of actions in policies, where they are not the name that requests are signed for.
var prefixes = map[string]string{"tagging": "tag", "monitoring": "cloudwatch"}

// actions are those of operations that are authorized by another name.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
var actions = map[string]string{
	"s3:HeadBucket": "ListBucket", "s3:HeadObject": "GetObject", "s3:ListBuckets": "ListAllMyBuckets",
	"s3:ListObjects": "ListBucket", "s3:ListObjectsV2": "ListBucket", "s3:ListObjectVersions": "ListBucketVersions",
	"s3:ListMultipartUploads": "ListBucketMultipartUploads", "s3:ListParts": "ListMultipartUploadParts",
	"s3:CreateMultipartUpload": "PutObject", "s3:UploadPart": "PutObject", "s3:UploadPartCopy": "PutObject",
	"s3:CompleteMultipartUpload": "PutObject", "s3:CopyObject": "PutObject", "s3:DeleteObjects": "DeleteObject",
	"s3:DeleteBucketCors": "PutBucketCORS", "s3:GetBucketEncryption": "GetEncryptionConfiguration",
	"s3:PutBucketEncryption": "PutEncryptionConfiguration", "s3:DeleteBucketEncryption": "PutEncryptionConfiguration",
	"s3:GetBucketLifecycleConfiguration": "GetLifecycleConfiguration", "s3:PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
	"s3:DeleteBucketLifecycle": "PutLifecycleConfiguration", "s3:GetPublicAccessBlock": "GetBucketPublicAccessBlock",
	"s3:PutPublicAccessBlock": "PutBucketPublicAccessBlock", "s3:DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
	"s3:DeleteBucketTagging": "PutBucketTagging", "s3:DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
	"ecr:ListImageReferrers": "BatchGetImage", // https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImageReferrers.html
	"kms:ReEncrypt":          "ReEncryptFrom", // of the source; of the destination it is ReEncryptTo
}

// instead are the resource types of actions for which the reference has others. The form is descriptor.Operation's.
// Where both versions of Elastic Load Balancing have an action of one name, it shows the types of the classic one.
// Of the 110 types that EC2 can tag, those stand here that Skylift has. AWS judges DescribeLogGroups on a log group
// without a name, for which the reference has no type.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
var instead = map[string]string{
	"elasticloadbalancing:AddTags":                      anyOfV2,
	"elasticloadbalancing:RemoveTags":                   anyOfV2,
	"elasticloadbalancing:CreateLoadBalancer":           "loadbalancer/app/ loadbalancer/gwy/ loadbalancer/net/",
	"elasticloadbalancing:DeleteLoadBalancer":           loadBalancers,
	"elasticloadbalancing:ModifyLoadBalancerAttributes": loadBalancers,
	"ec2:CreateTags":                                    inVPC,
	"ec2:DeleteTags":                                    inVPC,
	"logs:DescribeLogGroups":                            "log-group",
}

const (
	loadBalancers = "loadbalancer/app/! loadbalancer/gwy/! loadbalancer/net/!"
	inVPC         = "internet-gateway network-interface route-table security-group security-group-rule subnet vpc"
	anyOfV2       = loadBalancers + " listener/app! listener/gwy! listener/net! listener-rule/app! listener-rule/net! targetgroup!"
)

// authorization adds to a descriptor what the reference in dir says of its operations.
func authorization(dir string, s *descriptor.Service) error {
	prefix := cmp.Or(prefixes[s.SigningName], s.SigningName)
	if prefix != s.SigningName {
		s.Prefix = prefix
	}
	b, err := os.ReadFile(filepath.Join(dir, prefix+".json"))
	if err != nil {
		return fmt.Errorf("service authorization reference: %w", err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("service authorization reference of %s: %w", prefix, err)
	}
	s.Resources = map[string]string{}
	for name, op := range s.Operations {
		if err := r.describe(prefix, name, &op, s.Resources); err != nil {
			return err
		}
		s.Operations[name] = op
	}
	if len(s.Resources) == 0 {
		s.Resources = nil
	}
	return nil
}

// describe adds to op what r says of the operation with that name, and to patterns the resource types that it has.
func (r *reference) describe(prefix, name string, op *descriptor.Operation, patterns map[string]string) error {
	full := prefix + ":" + name
	action, ok := r.Actions[strings.ToLower(cmp.Or(actions[full], name))]
	if !ok {
		return fmt.Errorf("the service authorization reference has no action %s; name the one that authorizes it in gendescriptors' actions", full)
	}
	op.Action, op.Tagging = other(action.Name, name), strings.Contains(action.AccessLevel, "Tagging")
	types := action.ResourceTypes
	if on, ok := instead[full]; ok {
		types = replace(types, on)
	}
	op.TypeKeys = map[string]string{}
	var on []string
	for _, t := range types {
		if keys := without(t.ConditionKeys, action.ConditionKeys); keys != "" {
			op.TypeKeys[t.Name] = keys
		}
		word := t.Name
		if t.Required {
			word += "!"
		}
		on = append(on, word)
		pattern, ok := r.ResourceTypes[strings.ToLower(t.Name)]
		if !ok {
			return fmt.Errorf("the service authorization reference has no ARN pattern of the type %s, which %s is on", t.Name, full)
		}
		patterns[t.Name] = strings.TrimPrefix(pattern.ARN, descriptor.UsualARN(prefix))
	}
	slices.Sort(on)
	op.On, op.ConditionKeys = strings.Join(on, " "), without(action.ConditionKeys, nil)
	return nil
}

// replace returns the types that on names, with the condition keys that they have among types.
func replace(types []resourceType, on string) (list []resourceType) {
	for _, t := range (descriptor.Operation{On: on}).Types() {
		r := resourceType{Name: t.Type, Required: t.Required}
		if n := slices.IndexFunc(types, func(has resourceType) bool { return has.Name == t.Type }); n >= 0 {
			r.ConditionKeys = types[n].ConditionKeys
		}
		list = append(list, r)
	}
	return list
}

// without returns those of keys that are not among others, in order.
func without(keys, others []string) string {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(others, k) })
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), " ")
}
