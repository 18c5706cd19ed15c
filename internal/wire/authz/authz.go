// Package authz makes the questions that policy is asked about a request, from what its operation declares: which
// action, on which resource, and with which condition keys, as AWS's service authorization reference has them.
package authz

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/resource"
)

// Question asks whether a caller may take an action on a resource.
type Question struct {
	Action   string // ecs:RunTask
	Resource string // ARN; "*" where AWS knows no resource of the action
	Version  string // of the resource, where one is named; of a KMS key, one of its grants
	// Keys are the condition keys that are about the request and the resource, by their names in lower case.
	Keys map[string][]string
}

// Marked returns the resource, with VersionMark and the version behind it where one is named.
func (q Question) Marked() string {
	if q.Version == "" {
		return q.Resource
	}
	return q.Resource + VersionMark + q.Version
}

// Known is what is known of a resource beside its ARN.
type Known struct {
	Tags map[string]string
	Keys map[string]string // condition keys that only the resource tells, such as ec2:Vpc
}

// VersionMark stands between the ARN of a resource and one of its versions, where what is known of that is looked up. An ARN
// has no NUL.
const VersionMark = "\x00"

// Lookup returns what is known of the resources with these ARNs, which it leaves out where there is no such resource. An ARN
// may have VersionMark and a version behind it.
type Lookup func(ctx context.Context, arns []string) (map[string]Known, error)

// Declaration is what an operation declares about its authorization.
type Declaration struct {
	On     []resource.Declaration // the resources that a request is about
	Makes  []resource.Declaration // those that it makes, and that tags in it are for
	Keys   []Key
	Passes []Pass
	Open   bool // anybody may, whatever policies say
	// Action, unless it is nil, names the action that an input is judged by, without the prefix; "" is the reference's. Version
	// is that of the resource that the input names, if any.
	Action     func(in any) (name, version string)
	Unanswered []Unanswered
	// Known are condition keys that Lookup answers for the service's resources, divided by spaces.
	Known string
	// Also returns questions that are asked besides, about an input.
	Also func(ctx context.Context, in any) []Question
}

// Key is a condition key that an operation answers.
type Key struct {
	// Text is the key and the members that it has its values from:
	//
	//	ecs:cluster: cluster=default
	//	ecs:container-instances as container-instance: cluster=default containerInstances
	//
	// Where the service has a resource type of the key's name, or one is named by "as", the members fill its ARN pattern, in the
	// form of resource.Declaration, and the values are ARNs. Else there is one member, which is text, a number
	// or a boolean; =x alone is always x. With Find it is the key alone.
	Text string
	Find func(ctx context.Context, in any) []string
	// Each returns values by the end of the key's name, for which the text has a variable. The text is the key alone.
	Each func(in any) map[string]string
}

// Pass is roles that an operation hands to a service: each is a question about iam:PassRole.
type Pass struct {
	// Text is the service and the members that name roles: "ecs-tasks.amazonaws.com: taskRoleArn executionRoleArn".
	// With Find it is the service alone.
	Text string
	Find func(ctx context.Context, in any) []string
}

// Unanswered is condition keys, divided by spaces, which the reference has for an operation and which it does not answer, and why.
// The key * is all of them, and tags on what is made, too: for an operation that is in no program.
type Unanswered struct{ Keys, Why string }

func (d Declaration) nothing() bool {
	return slices.ContainsFunc(d.Unanswered, func(u Unanswered) bool { return u.Keys == all })
}

// Questions returns what is asked about in, a pointer to an input, in the caller's namespace. The first is about the
// operation's own action.
func (s *Set) Questions(ctx context.Context, ns arn.Namespace, known Lookup, in any) ([]Question, error) {
	r := s.read(ctx, ns, in)
	asked := r.own()
	asked = append(asked, r.tagging()...)
	asked = append(asked, r.passing()...)
	if s.also != nil {
		for _, q := range s.also(ctx, in) {
			asked = append(asked, question{Question: q, plain: q.Resource})
		}
	}
	if err := enrich(ctx, known, asked); err != nil {
		return nil, err
	}
	list := make([]Question, len(asked))
	for i := range asked {
		list[i] = asked[i].Question
	}
	return list, nil
}

// question is one that is being made.
type question struct {
	Question
	plain string // the resource's ARN as its service knows it
}

// ref is what is looked up.
func (q *question) ref() string {
	if q.Version == "" {
		return q.plain
	}
	return q.plain + VersionMark + q.Version
}

// enrich adds the keys that the resources tell.
func enrich(ctx context.Context, known Lookup, asked []question) error {
	if known == nil {
		return nil
	}
	arns := make([]string, 0, len(asked))
	for i := range asked {
		if asked[i].plain != all {
			arns = append(arns, asked[i].ref())
		}
	}
	if len(arns) == 0 {
		return nil
	}
	found, err := known(ctx, arns)
	if err != nil {
		return fmt.Errorf("look up the tags of %d resources: %w", len(arns), err)
	}
	for i := range asked {
		asked[i].about(found[asked[i].ref()])
	}
	return nil
}

// about adds what is known of the question's resource.
func (q *question) about(k Known) {
	if q.Keys == nil {
		q.Keys = map[string][]string{}
	}
	prefix, _, _ := strings.Cut(q.Action, ":")
	for _, key := range slices.Sorted(maps.Keys(k.Tags)) { // of Key and key, the latter
		name, value := strings.ToLower(key), []string{k.Tags[key]}
		q.Keys["aws:resourcetag/"+name], q.Keys[prefix+":resourcetag/"+name] = value, value
	}
	for key, value := range k.Keys {
		if name := strings.ToLower(key); q.Keys[name] == nil { // what the request says of it counts
			q.Keys[name] = []string{value}
		}
	}
}

// Resources returns the resources that the questions about their first action are on, each once: what a request is about.
func Resources(asked []Question) (list []string) {
	seen := map[string]bool{}
	for _, q := range asked {
		if q.Action == asked[0].Action && !seen[q.Resource] {
			seen[q.Resource] = true
			list = append(list, q.Resource)
		}
	}
	return list
}
