package lifecycle

import (
	"path"
	"slices"
	"strings"
	"time"
)

// Image is what rules know of an image.
type Image struct {
	Digest   string
	Tags     []string
	Pushed   time.Time
	Children []string // of an index: the digests of its images
}

// Expiry is an image that a rule expires.
type Expiry struct {
	Image Image
	Rule  int // its priority
}

const day = 24 * time.Hour

// maxDays is the most that a count of days means: it is longer ago than any image, and no time.Duration overflows.
const maxDays = 36_500

// Expired returns the images that the policy expires now, the oldest first. Each rule
// looks at all images that its tags select, and takes some of them; an image is only
// taken by the first rule that selects it. The images of an index go after the index
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html).
func (p Policy) Expired(images []Image, now time.Time) []Expiry {
	images = slices.Clone(images)
	slices.SortStableFunc(images, func(a, b Image) int { return a.Pushed.Compare(b.Pushed) })
	inIndex := map[string]bool{}
	for i := range images {
		for _, child := range images[i].Children {
			inIndex[child] = true
		}
	}
	first := make([]int, len(images)) // the rule that selects the image first
	for i := range images {
		first[i] = slices.IndexFunc(p.Rules, func(r Rule) bool { return r.Selection.selects(images[i].Tags) })
	}
	taken := make([]int, len(images)) // by which rule
	for n := range p.Rules {
		for _, i := range p.Rules[n].Selection.takes(images, now) {
			if first[i] == n && !inIndex[images[i].Digest] {
				taken[i] = p.Rules[n].Priority
			}
		}
	}
	var list []Expiry
	for i, rule := range taken {
		if rule > 0 {
			list = append(list, Expiry{images[i], rule})
		}
	}
	return list
}

// takes returns the places of the selected images that are too many or too old. The
// oldest image is first.
func (s *Selection) takes(images []Image, now time.Time) []int {
	var list []int
	for i := range images {
		if s.selects(images[i].Tags) {
			list = append(list, i)
		}
	}
	if s.CountType == moreThan {
		return list[:max(0, len(list)-s.CountNumber)]
	}
	limit := now.Add(-time.Duration(min(s.CountNumber, maxDays)) * day)
	return slices.DeleteFunc(list, func(i int) bool { return !images[i].Pushed.Before(limit) })
}

// selects tells whether a selection is about an image with these tags: each pattern or
// prefix must match one of them.
func (s *Selection) selects(tags []string) bool {
	switch s.TagStatus {
	case untagged:
		return len(tags) == 0
	case anyImage:
		return true
	}
	for _, p := range s.Patterns {
		if !slices.ContainsFunc(tags, func(tag string) bool { return Match(p, tag) }) {
			return false
		}
	}
	for _, p := range s.Prefixes {
		if !slices.ContainsFunc(tags, func(tag string) bool { return strings.HasPrefix(tag, p) }) {
			return false
		}
	}
	return len(tags) > 0
}

// Match tells whether a pattern, in which "*" is any text, matches a tag. A tag has no
// slash, so path.Match's "*" is any text; its other signs stand for themselves.
func Match(pattern, tag string) bool {
	quoted := strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`).Replace(pattern)
	ok, err := path.Match(quoted, tag)
	return ok && err == nil
}
