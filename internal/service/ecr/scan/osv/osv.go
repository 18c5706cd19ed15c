// Package osv finds the vulnerabilities of packages in records of the Open Source Vulnerability format.
//
// A Database is made once and never changes. It holds of its records only what concerns packages that an inventory can have, and no
// more bytes than its Builder is told.
package osv

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/service/ecr/scan/version"
)

// document is a record (https://ossf.github.io/osv-schema/), as far as it is read.
type document struct {
	ID        string
	Modified  time.Time
	Withdrawn string
	Aliases   []string
	Upstream  []string
	Related   []string
	Summary   string
	Details   string
	Severity  []rating
	Affected  []struct {
		Package struct{ Ecosystem, Name string }
		Ranges  []struct {
			Type   string
			Events []step
		}
		Versions          []string
		Severity          []rating
		EcosystemSpecific json.RawMessage `json:"ecosystem_specific"`
		DatabaseSpecific  json.RawMessage `json:"database_specific"`
	}
	DatabaseSpecific json.RawMessage `json:"database_specific"`
}

// rating is a severity: a vector of CVSS, or a word of Ubuntu's.
type rating struct{ Type, Score string }

// A step is an event of a range: from a version on it is affected, or no longer.
type step struct {
	Introduced   string `json:"introduced,omitempty"`
	Fixed        string `json:"fixed,omitempty"`
	LastAffected string `json:"last_affected,omitempty"`
}

// at is the version of a step.
func (s step) at() string { return s.Introduced + s.Fixed + s.LastAffected }

// A notice is what is known of a vulnerability, whatever it affects.
type notice struct {
	id          string
	names       []string // CVE ids, or the id
	description string
	rating
}

// An entry says which versions of a package a notice is about.
type entry struct {
	*notice
	rating   // where the package has one of its own
	severity Severity
	ranges   [][]step
	versions []string // besides those in ranges
}

// place is a package of an ecosystem.
type place struct{ ecosystem, name string }

// Database is what records say of packages.
type Database struct {
	Updated time.Time // when the youngest of its records changed
	Records int
	entries map[place][]entry
	systems map[string]bool
}

// Has tells whether there is anything about an ecosystem.
func (d *Database) Has(ecosystem string) bool { return d.systems[ecosystem] }

// A Builder makes a Database of records. Make it by NewBuilder.
type Builder struct {
	most, size int64
	db         *Database
	texts      map[string]string
}

// NewBuilder returns one that takes about so many bytes of memory.
func NewBuilder(most int64) *Builder {
	return &Builder{most: most, texts: map[string]string{}, db: &Database{entries: map[place][]entry{}, systems: map[string]bool{}}}
}

// TooLargeError says that records need more memory than a Builder may take.
type TooLargeError struct{ Most int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("its records need more than %d MiB of memory: leave out the ecosystems that no image has", e.Most>>20)
}

// ErrNoID says that a text has no id, which every record has.
var ErrNoID = errors.New("it has no id")

// Add takes a record. Errors: *TooLargeError, ErrNoID, and those of a text that is no record.
func (b *Builder) Add(text []byte) error {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	if d.ID == "" {
		return ErrNoID
	}
	if d.Withdrawn != "" {
		return nil
	}
	var n *notice
	for _, a := range d.Affected {
		ecosystem, compare := ecosystemOf(a.Package.Ecosystem)
		if ecosystem == "" || a.Package.Name == "" {
			continue
		}
		if n == nil {
			n = b.notice(d)
		}
		e := entry{notice: n, rating: best(a.Severity), severity: distribution(a.Severity, a.EcosystemSpecific, a.DatabaseSpecific)}
		if e.severity == "" {
			e.severity = distribution(d.Severity, d.DatabaseSpecific)
		}
		for _, r := range a.Ranges {
			if r.Type == "ECOSYSTEM" || r.Type == "SEMVER" {
				e.ranges = append(e.ranges, b.steps(r.Events, compare))
			}
		}
		b.besides(&e, a.Versions, compare)
		at := place{b.text(ecosystem), b.text(a.Package.Name)}
		b.db.entries[at] = append(b.db.entries[at], e)
		b.db.systems[at.ecosystem] = true
		b.size += entrySize
	}
	if n != nil {
		b.db.Records++
		if d.Modified.After(b.db.Updated) {
			b.db.Updated = d.Modified
		}
	}
	if b.size > b.most {
		return &TooLargeError{b.most}
	}
	return nil
}

// About how much memory things take, in bytes, beside their texts.
const entrySize, stepSize, noticeSize = 200, 64, 160

// mostDescription is how long a description may be, in bytes.
const mostDescription = 1000

func (b *Builder) notice(d document) *notice {
	text := d.Details
	if text == "" {
		text = d.Summary
	}
	if len(text) > mostDescription {
		text = strings.ToValidUTF8(text[:mostDescription], "") + "…" // a copy, so that the rest is let go
	}
	n := &notice{id: d.ID, names: names(d), description: text, rating: best(d.Severity)}
	b.size += int64(len(n.id) + len(n.description) + len(n.Score) + noticeSize)
	for _, name := range n.names {
		b.size += int64(len(name) + 16)
	}
	return n
}

// text returns one and the same copy of equal texts.
func (b *Builder) text(s string) string {
	if known, ok := b.texts[s]; ok {
		return known
	}
	b.texts[s] = s
	b.size += int64(len(s) + 48)
	return s
}

// steps keeps a range in the order of its versions.
func (b *Builder) steps(events []step, compare version.Compare) []step {
	out := make([]step, 0, len(events))
	for _, s := range events {
		if s.at() != "" { // others are of other kinds
			out = append(out, step{b.text(s.Introduced), b.text(s.Fixed), b.text(s.LastAffected)})
		}
	}
	sortSteps(out, compare)
	b.size += int64(len(out)) * stepSize
	return out
}

// besides keeps the versions that a record names one by one and that its ranges don't tell.
func (b *Builder) besides(e *entry, versions []string, compare version.Compare) {
	for _, v := range versions {
		if affected, _ := inRanges(e.ranges, v, compare); !affected {
			e.versions = append(e.versions, b.text(v))
			b.size += 16
		}
	}
}

// Done returns the database. The builder is of no use afterwards.
func (b *Builder) Done() *Database { return b.db }

// names are the CVE ids of a record; its own id when it has none.
func names(d document) (out []string) {
	take := func(ids ...string) {
		for _, id := range ids {
			if i := strings.Index(id, "CVE-"); i >= 0 && (i == 0 || id[i-1] == '-') {
				out = append(out, id[i:])
			}
		}
	}
	take(d.ID)
	for _, ids := range [][]string{d.Aliases, d.Upstream} {
		if len(out) == 0 {
			take(ids...)
		}
	}
	// What is related is something else, but in advisories of distributions of some years.
	if len(out) == 0 && (strings.HasPrefix(d.ID, "DSA-") || strings.HasPrefix(d.ID, "DLA-") || strings.HasPrefix(d.ID, "USN-")) {
		take(d.Related...)
	}
	if len(out) == 0 {
		out = []string{d.ID}
	}
	return out
}
