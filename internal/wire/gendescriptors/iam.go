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
	"s3:ListObjects": "ListBucket", "s3:ListObjectsV2": "ListBucket",
}

// instead are the resource types of actions for which the reference has others: where both versions of Elastic
// Load Balancing have an action of one name, it shows those of the classic one. The form is descriptor.Operation's.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
var instead = map[string]string{
	"elasticloadbalancing:AddTags":                      anyOfV2,
	"elasticloadbalancing:RemoveTags":                   anyOfV2,
	"elasticloadbalancing:CreateLoadBalancer":           "loadbalancer/app/ loadbalancer/gwy/ loadbalancer/net/",
	"elasticloadbalancing:DeleteLoadBalancer":           loadBalancers,
	"elasticloadbalancing:ModifyLoadBalancerAttributes": loadBalancers,
}

const (
	loadBalancers = "loadbalancer/app/! loadbalancer/gwy/! loadbalancer/net/!"
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
	op.Action = other(action.Name, name)
	types, keys := action.ResourceTypes, slices.Clone(action.ConditionKeys)
	if on, ok := instead[full]; ok {
		types = nil
		for _, t := range (descriptor.Operation{On: on}).Types() {
			types = append(types, resourceType{Name: t.Type, Required: t.Required})
		}
	}
	var on []string
	for _, t := range types {
		keys = append(keys, t.ConditionKeys...)
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
	slices.Sort(keys)
	op.On, op.ConditionKeys = strings.Join(on, " "), strings.Join(slices.Compact(keys), " ")
	return nil
}
