// Package lifecycle reads the lifecycle policies of repositories, and says which
// images they expire. It is pure.
//
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
package lifecycle

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Setting is a policy as a repository has it. Done is ecr/expiry's, the rest the API's.
type Setting struct {
	Text string    // "": there is none
	Set  time.Time // when it was put, or its preview started
	Done time.Time // when it was applied last
}

// Policy is a lifecycle policy, its rules in the order of their priority.
type Policy struct{ Rules []Rule }

// Rule says which images expire.
type Rule struct {
	Priority    int       `json:"rulePriority"`
	Description string    `json:"description"`
	Selection   Selection `json:"selection"`
	Action      Action    `json:"action"`
}

// Selection is the images that a rule is about, and which of them it takes.
type Selection struct {
	TagStatus    string   `json:"tagStatus"`
	StorageClass string   `json:"storageClass"`
	Patterns     []string `json:"tagPatternList"`
	Prefixes     []string `json:"tagPrefixList"`
	CountType    string   `json:"countType"`
	CountUnit    string   `json:"countUnit"`
	CountNumber  int      `json:"countNumber"`
}

// Action is what a rule does.
type Action struct {
	Type               string `json:"type"`
	TargetStorageClass string `json:"targetStorageClass"`
}

// The values of a rule.
const (
	tagged   = "tagged"
	untagged = "untagged"
	anyImage = "any"

	moreThan    = "imageCountMoreThan"
	sincePushed = "sinceImagePushed"

	mostRules     = 50
	mostWildcards = 4
)

// Parse reads a policy's text. The error is all that is wrong with it.
func Parse(text string) (Policy, error) {
	var p struct {
		Rules []Rule `json:"rules"`
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Policy{}, fmt.Errorf("the text is no lifecycle policy: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Policy{}, errors.New("there is more text after the policy")
	}
	var faults []error
	if len(p.Rules) == 0 || len(p.Rules) > mostRules {
		faults = append(faults, fmt.Errorf("a policy has 1 to %d rules, not %d", mostRules, len(p.Rules)))
	}
	for i := range p.Rules {
		for _, fault := range p.Rules[i].faults() {
			faults = append(faults, fmt.Errorf("rule %d: %s", p.Rules[i].Priority, fault))
		}
	}
	slices.SortStableFunc(p.Rules, func(a, b Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	faults = append(faults, together(p.Rules)...)
	return Policy{p.Rules}, errors.Join(faults...)
}

// faults returns what is wrong with a rule by itself.
func (r *Rule) faults() (f []string) {
	if r.Priority < 1 {
		f = append(f, "rulePriority must be 1 or more")
	}
	if r.Action.Type != "expire" {
		f = append(f, fmt.Sprintf("the action '%s' is not supported by Skylift, only expire", r.Action.Type))
	}
	if r.Action.TargetStorageClass != "" {
		f = append(f, "targetStorageClass goes with the action transition only")
	}
	return append(f, r.Selection.faults()...)
}

func (s *Selection) faults() (f []string) {
	lists := len(s.Patterns) + len(s.Prefixes)
	switch s.TagStatus {
	case tagged:
		if lists == 0 || s.Patterns != nil && s.Prefixes != nil {
			f = append(f, "tagStatus tagged takes one of tagPatternList and tagPrefixList")
		}
	case untagged, anyImage:
		if s.Patterns != nil || s.Prefixes != nil {
			f = append(f, "tagPatternList and tagPrefixList go with tagStatus tagged only")
		}
	default:
		f = append(f, fmt.Sprintf("tagStatus is tagged, untagged or any, not '%s'", s.TagStatus))
	}
	for _, p := range s.Patterns {
		if p == "" || strings.Count(p, "*") > mostWildcards {
			f = append(f, fmt.Sprintf("the pattern '%s' must have text, and at most %d wildcards", p, mostWildcards))
		}
	}
	if slices.Contains(s.Prefixes, "") {
		f = append(f, "a prefix must have text")
	}
	switch s.CountType {
	case moreThan:
		if s.CountUnit != "" {
			f = append(f, "countUnit doesn't go with countType imageCountMoreThan")
		}
	case sincePushed:
		if s.CountUnit != "days" {
			f = append(f, "countType sinceImagePushed takes countUnit days")
		}
	default:
		f = append(f, fmt.Sprintf("countType is imageCountMoreThan or sinceImagePushed, and for Skylift not '%s'", s.CountType))
	}
	if s.CountNumber < 1 {
		f = append(f, "countNumber must be 1 or more")
	}
	if s.StorageClass != "" && s.StorageClass != "standard" {
		f = append(f, fmt.Sprintf("the storage class '%s' is not supported by Skylift, only standard", s.StorageClass))
	}
	return f
}

// together returns what is wrong with rules, in order, beside each other.
func together(rules []Rule) (faults []error) {
	seen, bare := map[string]bool{}, 0
	for i := range rules {
		r := &rules[i]
		if i > 0 && rules[i-1].Priority == r.Priority {
			faults = append(faults, fmt.Errorf("there are two rules of rulePriority %d", r.Priority))
		}
		if r.Selection.TagStatus == anyImage && i < len(rules)-1 {
			faults = append(faults, fmt.Errorf("rule %d: the rule of tagStatus any must have the highest rulePriority", r.Priority))
		}
		if r.Selection.TagStatus == untagged {
			if bare++; bare == 2 {
				faults = append(faults, errors.New("there are two rules of tagStatus untagged"))
			}
		}
		for _, prefix := range r.Selection.Prefixes {
			if seen[prefix] {
				faults = append(faults, fmt.Errorf("there are two rules for the prefix '%s'", prefix))
			}
			seen[prefix] = true
		}
	}
	return faults
}
