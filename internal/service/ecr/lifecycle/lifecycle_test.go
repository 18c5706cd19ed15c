package lifecycle

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func rules(t *testing.T, list ...string) string {
	t.Helper()
	return `{"rules":[` + strings.Join(list, ",") + `]}`
}

func rule(priority int, selection string) string {
	return fmt.Sprintf(`{"rulePriority":%d,"selection":{%s},"action":{"type":"expire"}}`, priority, selection)
}

const (
	few     = `"countType":"imageCountMoreThan","countNumber":1`
	old     = `"countType":"sinceImagePushed","countUnit":"days","countNumber":14`
	bare    = `"tagStatus":"untagged",`
	all     = `"tagStatus":"any",`
	release = `"tagStatus":"tagged","tagPrefixList":["release"],`
)

func TestParse(t *testing.T) {
	t.Parallel()
	tagged := func(more string) string { return rule(1, `"tagStatus":"tagged",`+more+`,`+few) }
	for _, tt := range []struct{ text, fault string }{
		{rules(t, rule(1, bare+old), rule(2, release+few), rule(30, all+few)), ""},
		{rules(t, tagged(`"tagPatternList":["*a*b*c*"]`)), ""},
		{rules(t, rule(1, `"storageClass":"standard",`+bare+few)), ""},
		{"{}", "a policy has 1 to 50 rules, not 0"},
		{"{", "the text is no lifecycle policy"},
		{rules(t, rule(1, all+few)) + "{}", "more text after the policy"},
		{`{"rules":[],"more":1}`, `unknown field "more"`},
		{rules(t, rule(0, all+few)), "rulePriority must be 1 or more"},
		{rules(t, rule(1, bare+few), rule(1, release+few)), "there are two rules of rulePriority 1"},
		{rules(t, rule(1, all+few), rule(2, bare+few)), "rule 1: the rule of tagStatus any must have the highest rulePriority"},
		{rules(t, rule(1, bare+few), rule(2, bare+old)), "two rules of tagStatus untagged"},
		{rules(t, rule(1, release+few), rule(2, release+old)), "two rules for the prefix 'release'"},
		{rules(t, tagged(`"tagPatternList":["*a*b*c*d*"]`)), "at most 4 wildcards"},
		{rules(t, tagged(`"tagPatternList":["a"],"tagPrefixList":["b"]`)), "takes one of tagPatternList and tagPrefixList"},
		{rules(t, tagged(`"tagPrefixList":[]`)), "takes one of"},
		{rules(t, tagged(`"tagPrefixList":[""]`)), "a prefix must have text"},
		{rules(t, rule(1, bare+`"tagPrefixList":["a"],`+few)), "go with tagStatus tagged only"},
		{rules(t, rule(1, `"tagStatus":"some",`+few)), "not 'some'"},
		{rules(t, rule(1, all+`"countType":"imageCountMoreThan"`)), "countNumber must be 1 or more"},
		{rules(t, rule(1, all+few+`,"countUnit":"days"`)), "countUnit doesn't go with"},
		{rules(t, rule(1, all+`"countType":"sinceImagePushed","countNumber":1`)), "takes countUnit days"},
		{rules(t, rule(1, all+`"countType":"sinceImagePulled","countUnit":"days","countNumber":1`)), "not 'sinceImagePulled'"},
		{rules(t, rule(1, `"storageClass":"archive",`+all+few)), "the storage class 'archive' is not supported"},
		{strings.Replace(rules(t, rule(1, all+few)), "expire", "transition", 1), "the action 'transition' is not supported"},
	} {
		_, err := Parse(tt.text)
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: got %v, want %q", tt.text, err, tt.fault)
		}
	}
}

// The cases are those of AWS's examples
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html).
func TestExpired(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	// img is an image of so many days, called by its first tag or else by its age.
	img := func(days int, tags ...string) Image {
		name := fmt.Sprint(days)
		if len(tags) > 0 {
			name = tags[0]
		}
		return Image{Digest: name, Tags: tags, Pushed: now.Add(-time.Duration(days) * day)}
	}
	const prefix = `"tagStatus":"tagged","tagPrefixList":`
	const pattern = `"tagStatus":"tagged","tagPatternList":`
	for _, tt := range []struct {
		name   string
		rules  []string
		images []Image
		want   string // the oldest first, with the rule
	}{
		{"by age", []string{rule(1, bare+old)}, []Image{img(13), img(14), img(15), img(99, "v1")}, "15:1"},
		{"by count", []string{rule(1, bare+few)}, []Image{img(3), img(1), img(2), img(9, "v1")}, "3:1 2:1"},
		{
			"the higher rule's images are counted, and not taken",
			[]string{rule(1, prefix+`["prod"],`+few), rule(2, prefix+`["beta"],`+few)},
			[]Image{img(3, "beta-1", "prod-1"), img(2, "beta-2", "prod-2"), img(1, "beta-3")},
			"beta-1:1",
		},
		{
			"and the other way round",
			[]string{rule(1, prefix+`["beta"],`+few), rule(2, prefix+`["prod"],`+few)},
			[]Image{img(3, "beta-1", "prod-1"), img(2, "beta-2", "prod-2"), img(1, "beta-3")},
			"beta-1:1 beta-2:1",
		},
		{
			"all of a list",
			[]string{rule(1, prefix+`["alpha","beta"],"countType":"sinceImagePushed","countUnit":"days","countNumber":5`)},
			[]Image{img(12, "alpha-1"), img(11, "beta-1"), img(10, "alpha-2", "beta-2"), img(4, "alpha-3"), img(9, "alpha-4", "beta-4"), img(1, "alpha-5", "beta-5")},
			"alpha-2:1 alpha-4:1",
		},
		{"patterns", []string{rule(1, pattern+`["*-rc*"],`+few)}, []Image{img(5, "v1-rc1"), img(4, "v1"), img(3, "v2-rc"), img(2, "[rc]")}, "v1-rc1:1"},
		{"a sign in a pattern is itself", []string{rule(1, pattern+`["v[12]?"],`+few)}, []Image{img(5, "v1x"), img(4, "v2x")}, ""},
		{
			"more days than a duration has",
			[]string{rule(1, all+`"countType":"sinceImagePushed","countUnit":"days","countNumber":106752`)},
			[]Image{img(400), img(1)},
			"",
		},
		{
			"any is the last",
			[]string{rule(1, prefix+`["prod"],"countType":"imageCountMoreThan","countNumber":9`), rule(2, all+few)},
			[]Image{img(5, "prod-1"), img(4, "a"), img(3), img(2, "b")},
			"a:2 3:2",
		},
		{
			"an index before its images",
			[]string{rule(1, all+old)},
			[]Image{{Digest: "index", Pushed: now.Add(-20 * day), Children: []string{"30", "31"}}, img(30), img(31), img(32)},
			"32:1 index:1",
		},
	} {
		p, err := Parse(rules(t, tt.rules...))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, e := range p.Expired(tt.images, now) {
			got = append(got, fmt.Sprintf("%s:%d", e.Image.Digest, e.Rule))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, s, tt.want)
		}
	}
}

// A text is read as it is sent: numbers beyond int and other surprises are faults.
func FuzzParse(f *testing.F) {
	f.Add(`{"rules":[` + rule(1, all+few) + `]}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err == nil && (len(p.Rules) == 0 || !json.Valid([]byte(text))) {
			t.Errorf("%q is a policy of %d rules", text, len(p.Rules))
		}
	})
}
