// Package expire removes from buckets what their lifecycle rules say, and the files and parts that no object has any more.
package expire

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/service/s3/record"
)

const day = 24 * time.Hour

// over says whether so many days after at are over: AWS rounds up to the next midnight
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html#intro-lifecycle-rules-number-of-days).
func over(at time.Time, days *int32, now time.Time) bool {
	if days == nil {
		return false
	}
	due := at.UTC().Add(time.Duration(*days) * day)
	if whole := due.Truncate(day); whole.Before(due) {
		due = whole.Add(day)
	}
	return !now.Before(due)
}

// fits says whether a rule is about an object.
func fits(r *types.LifecycleRule, o *record.Object) bool {
	if r.Status != types.ExpirationStatusEnabled {
		return false
	}
	if r.Prefix != nil && !strings.HasPrefix(o.Key, *r.Prefix) { //nolint:staticcheck // clients still say it
		return false
	}
	f := r.Filter
	if f == nil {
		return true
	}
	if f.Prefix != nil && !strings.HasPrefix(o.Key, *f.Prefix) || f.Tag != nil && !tagged(o, *f.Tag) || !sized(o, f.ObjectSizeGreaterThan, f.ObjectSizeLessThan) {
		return false
	}
	a := f.And
	if a == nil {
		return true
	}
	for _, t := range a.Tags {
		if !tagged(o, t) {
			return false
		}
	}
	return (a.Prefix == nil || strings.HasPrefix(o.Key, *a.Prefix)) && sized(o, a.ObjectSizeGreaterThan, a.ObjectSizeLessThan)
}

func tagged(o *record.Object, t types.Tag) bool {
	value, ok := o.Tags[*t.Key]
	return ok && t.Value != nil && value == *t.Value
}

func sized(o *record.Object, more, less *int64) bool {
	return (more == nil || o.Size > *more) && (less == nil || o.Size < *less)
}

// expired says whether the current version of a key is to go. Alone says that there is no other version of the key.
func expired(rules []types.LifecycleRule, o *record.Object, alone bool, now time.Time) bool {
	for i := range rules {
		e := rules[i].Expiration
		if e == nil || !fits(&rules[i], o) {
			continue
		}
		late := over(o.Modified, e.Days, now) || e.Date != nil && !now.Before(*e.Date)
		if o.Marker && alone && (late || e.ExpiredObjectDeleteMarker != nil && *e.ExpiredObjectDeleteMarker) || !o.Marker && late {
			return true
		}
	}
	return false
}

// superseded says whether a version that isn't current is to go: since then it isn't, and newer is how many of the key are
// not current and newer.
func superseded(rules []types.LifecycleRule, o *record.Object, since time.Time, newer int, now time.Time) bool {
	for i := range rules {
		e := rules[i].NoncurrentVersionExpiration
		if e == nil || !fits(&rules[i], o) || e.NewerNoncurrentVersions != nil && newer < int(*e.NewerNoncurrentVersions) {
			continue
		}
		if over(since, e.NoncurrentDays, now) {
			return true
		}
	}
	return false
}

// given says whether an upload is to be given up.
func given(rules []types.LifecycleRule, u *record.Upload, now time.Time) bool {
	for i := range rules {
		e := rules[i].AbortIncompleteMultipartUpload
		if e != nil && fits(&rules[i], &record.Object{Key: u.Key}) && over(u.At, e.DaysAfterInitiation, now) {
			return true
		}
	}
	return false
}
