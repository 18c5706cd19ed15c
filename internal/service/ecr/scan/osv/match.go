package osv

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/service/ecr/scan/inventory"
	"github.com/skylift/skylift/internal/service/ecr/scan/version"
)

// A Finding is a vulnerability that a package has.
type Finding struct {
	Name        string // the CVE's, or the record's
	Description string
	URI         string
	Severity    Severity
	Package     string
	Version     string
	Fixed       string // the version that hasn't it any more; "": none is known
	Vector      string // of CVSS; "": none
	Score       float64
}

// Standard is the version of CVSS that the vector is of: 2, 3 or 4.
func (f Finding) Standard() string {
	if v, ok := strings.CutPrefix(f.Vector, "CVSS:"); ok {
		return v[:1]
	}
	return "2"
}

// Result is what a database says of an inventory.
type Result struct {
	Findings []Finding // in order: the worst first
	Known    []string  // the ecosystems of its packages that the database has something about
	Unknown  []string  // and those that it has nothing about
}

// Counts tells how many findings there are of each severity.
func (r Result) Counts() map[string]int32 {
	out := map[string]int32{}
	for _, f := range r.Findings {
		out[string(f.Severity)]++
	}
	return out
}

// Find returns the vulnerabilities of an inventory's packages.
func (d *Database) Find(v inventory.Inventory) (r Result) {
	found := map[[3]string]Finding{}
	done := map[[3]string]bool{}
	system := EcosystemOf(v.System)
	for _, p := range v.Packages {
		ecosystem := system
		if p.Kind == inventory.Go {
			ecosystem = "Go"
		}
		if ecosystem == "" {
			continue
		}
		known := &r.Unknown
		if d.Has(ecosystem) {
			known = &r.Known
		}
		if !slices.Contains(*known, ecosystem) {
			*known = append(*known, ecosystem)
		}
		name, ver := p.Origin()
		if key := [3]string{ecosystem, name, ver}; !done[key] {
			done[key] = true
			d.find(found, ecosystem, name, ver)
		}
	}
	for _, f := range found {
		r.Findings = append(r.Findings, f)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), strings.Compare(a.Name, b.Name), strings.Compare(a.Package, b.Package), strings.Compare(a.Version, b.Version))
	})
	return r
}

// find puts what a package of a version has into found.
func (d *Database) find(found map[[3]string]Finding, ecosystem, name, ver string) {
	_, compare := ecosystemOf(ecosystem)
	for _, e := range d.entries[place{ecosystem, name}] {
		affected, fixed := inRanges(e.ranges, ver, compare)
		if !affected && !slices.Contains(e.versions, ver) {
			continue
		}
		vector := e.rating
		if vector.Score == "" {
			vector = e.notice.rating
		}
		f := Finding{Description: e.description, Package: name, Version: ver, Fixed: fixed, Severity: e.severity}
		if base, ok := score(vector); ok {
			f.Vector, f.Score = vector.Score, base
		}
		if f.Severity == "" {
			f.Severity = rated(vector)
		}
		for _, cve := range e.names {
			f.Name, f.URI = cve, link(ecosystem, cve, e.id)
			key := [3]string{cve, name, ver}
			found[key] = merge(found[key], f)
		}
	}
}

// merge makes one finding of what two records say of the same.
func merge(a, b Finding) Finding {
	if a.Name == "" {
		return b
	}
	if a.Severity == Undefined {
		a.Severity = b.Severity
	}
	if a.Vector == "" {
		a.Vector, a.Score = b.Vector, b.Score
	}
	a.Description = cmp.Or(a.Description, b.Description)
	a.Fixed = cmp.Or(a.Fixed, b.Fixed)
	return a
}

// link is where to read more of a vulnerability.
func link(ecosystem, cve, id string) string {
	switch kind, _, _ := strings.Cut(ecosystem, ":"); {
	case strings.HasPrefix(id, "GO-"):
		return "https://pkg.go.dev/vuln/" + id
	case !strings.HasPrefix(cve, "CVE-"):
	case kind == "Debian":
		return "https://security-tracker.debian.org/tracker/" + cve
	case kind == "Ubuntu":
		return "https://ubuntu.com/security/" + cve
	case kind == "Alpine":
		return "https://security.alpinelinux.org/vuln/" + cve
	}
	return "https://osv.dev/vulnerability/" + id
}

// sortSteps puts steps in the order of their versions; at the same one, an end is before a new beginning.
func sortSteps(list []step, compare version.Compare) {
	slices.SortStableFunc(list, func(a, b step) int {
		return cmp.Or(order(a, b, compare), cmp.Compare(len(a.Introduced), len(b.Introduced)))
	})
}

// order is that of the versions of two steps. To be introduced at 0 is to have been there from the beginning.
func order(a, b step, compare version.Compare) int {
	switch first, second := a.Introduced == "0", b.Introduced == "0"; {
	case first && second:
		return 0
	case first:
		return -1
	case second:
		return 1
	}
	o, _ := compare(a.at(), b.at())
	return o
}

// inRanges tells whether a version is in one of the ranges, and which one behind it isn't any more
// (https://ossf.github.io/osv-schema/#evaluation). Whatever can't be compared is in none.
func inRanges(ranges [][]step, v string, compare version.Compare) (affected bool, fixed string) {
	for _, steps := range ranges {
		in, until := inRange(steps, v, compare)
		affected = affected || in
		if in && fixed == "" {
			fixed = until
		}
	}
	return affected, fixed
}

func inRange(steps []step, v string, compare version.Compare) (in bool, until string) {
	for _, s := range steps {
		if s.Introduced == "0" {
			in = true
			continue
		}
		o, ok := compare(v, s.at())
		switch {
		case !ok:
			return false, ""
		case s.Introduced != "" && o >= 0:
			in = true
		case s.Fixed != "" && o >= 0, s.LastAffected != "" && o > 0:
			in = false
		case in:
			return true, s.Fixed
		}
	}
	return in, ""
}
