package osv

import (
	"encoding/json"
	"strings"

	cvss20 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"
)

// A Severity is one as ECR calls it.
type Severity string

// The severities (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFinding.html).
const (
	Critical      Severity = "CRITICAL"
	High          Severity = "HIGH"
	Medium        Severity = "MEDIUM"
	Low           Severity = "LOW"
	Informational Severity = "INFORMATIONAL"
	Undefined     Severity = "UNDEFINED"
)

// Rank is 0 for the worst.
func (s Severity) Rank() int {
	return strings.Index("CRITICAL HIGH MEDIUM LOW INFORMATIONAL UNDEFINED", string(s))
}

// words are what distributions and databases call severities. What they haven't judged yet has none.
var words = map[string]Severity{
	"critical": Critical, "high": High, "medium": Medium, "moderate": Medium, "low": Low, "negligible": Informational, "unimportant": Informational,
}

// distribution is how severe somebody calls it who knows the package: Ubuntu as a rating, Debian as an urgency, others as a word; ""
// when nobody does.
func distribution(list []rating, specific ...json.RawMessage) Severity {
	for _, r := range list {
		if r.Type == "Ubuntu" {
			return words[strings.ToLower(r.Score)]
		}
	}
	for _, raw := range specific {
		var said map[string]json.RawMessage
		if json.Unmarshal(raw, &said) != nil {
			continue // it is absent, or of another form
		}
		for _, key := range []string{"urgency", "ubuntu_priority", "priority", "severity"} {
			var word string
			if json.Unmarshal(said[key], &word) == nil && words[strings.ToLower(word)] != "" {
				return words[strings.ToLower(word)]
			}
		}
	}
	return ""
}

// best is the vector that counts of several: version 3, as ECR shows it, before 4 and 2.
func best(list []rating) rating {
	for _, kind := range []string{"CVSS_V3", "CVSS_V4", "CVSS_V2"} {
		for _, r := range list {
			if r.Type == kind && len(r.Score) <= mostVector {
				return r
			}
		}
	}
	return rating{}
}

// mostVector is how long a vector may be: an attribute's value has 256 characters at most.
const mostVector = 256

// score is that of a vector; ok is false when it isn't one.
func score(r rating) (base float64, ok bool) {
	switch {
	case strings.HasPrefix(r.Score, "CVSS:3.1/"):
		if v, err := cvss31.ParseVector(r.Score); err == nil {
			return v.BaseScore(), true
		}
	case strings.HasPrefix(r.Score, "CVSS:3.0/"):
		if v, err := cvss30.ParseVector(r.Score); err == nil {
			return v.BaseScore(), true
		}
	case strings.HasPrefix(r.Score, "CVSS:4.0/"):
		if v, err := cvss40.ParseVector(r.Score); err == nil {
			return v.Score(), true
		}
	case r.Type == "CVSS_V2":
		if v, err := cvss20.ParseVector(strings.Trim(r.Score, "()")); err == nil {
			return v.BaseScore(), true
		}
	}
	return 0, false
}

// rated is what NVD calls a score (https://nvd.nist.gov/vuln-metrics/cvss); it knows nothing critical in version 2.
func rated(r rating) Severity {
	s, ok := score(r)
	switch {
	case !ok:
		return Undefined
	case s >= 9 && r.Type != "CVSS_V2":
		return Critical
	case s >= 7:
		return High
	case s >= 4:
		return Medium
	case s > 0:
		return Low
	}
	return Informational
}
