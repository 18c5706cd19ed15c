// Package scope is what the handlers of Route 53 share: what they stand on, ids, changes, limits and the form of answers.
package scope

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/store"
)

// Network is what Route 53 asks of EC2.
type Network interface {
	// CheckVPC fails with a client's error when there is no such VPC.
	CheckVPC(ctx context.Context, id string) error
}

// Balancers is what Route 53 asks of Elastic Load Balancing.
type Balancers interface {
	// HostedZone is the zone that aliases of balancers name.
	HostedZone() string
	// Named says whether a balancer has that DNS name, without a dot at its end.
	Named(tx store.Tx, name string) (bool, error)
}

// Answer is what the name server says to a question.
type Answer struct {
	Code string // NOERROR
	Data []string
}

// Names is the name server.
type Names interface {
	// Served says whether this process answers as it is after the change.
	Served(change string) bool
	// Serial counts the changes of a zone that this process answers with; 0 is none, or no such zone.
	Serial(zone string) uint32
	// Test answers a question from one zone.
	Test(zone, name, kind string) Answer
}

// Scope is what the handlers stand on.
type Scope struct {
	DB        store.DB
	NS        arn.Namespace
	Network   Network
	Balancers Balancers
	Names     Names
	Checker   Checker
	// NameServers are the names of the name server; none: names of AWS's form.
	NameServers []string
}

// The limits (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html). AWS raises that of sets when
// asked; here it is as high as was measured.
const (
	MaxZones  = 500
	MaxSets   = 100_000
	MaxVPCs   = 300
	MaxChecks = 200
	MaxTags   = 10
)

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// idLength is how many characters an id has: with "/hostedzone/" before it, the longest that the API takes.
const idLength = 20

// NewID makes an id such as Z0123456789ABCDEFGHI.
func NewID(prefix string) string { return prefix + id.Text(idLength-len(prefix), letters) }

// newChangeID makes an id whose order is that of time.
func newChangeID(now time.Time) string {
	return NewID("C" + strings.ToUpper(strconv.FormatInt(now.UnixMicro(), 36)))
}

// Bare returns an id without the path before it that answers have.
func Bare(id *string, path string) string {
	if id == nil {
		return ""
	}
	return strings.TrimPrefix(*id, path)
}

// The paths of ids.
const (
	ZonePath   = "/hostedzone/"
	ChangePath = "/change/"
)

// ZoneIDs and ChangeIDs are ids as policies name them: bare, as the handlers read them.
func ZoneIDs(_ context.Context, said []string) []string { return bare(said, ZonePath) }

// ChangeIDs is ZoneIDs for changes.
func ChangeIDs(_ context.Context, said []string) []string { return bare(said, ChangePath) }

func bare(said []string, path string) (all []string) {
	for _, id := range said {
		all = append(all, Bare(&id, path))
	}
	return all
}

// Zone returns the zone with that id.
func Zone(tx store.Tx, id *string) (record.Zone, error) {
	return handler.Get(tx, record.Zones, Bare(id, ZonePath), record.NoZone)
}

// Free returns a zone that its owner may change by hand.
func Free(tx store.Tx, id *string) (record.Zone, error) {
	z, err := Zone(tx, id)
	if err == nil && z.Owner != nil {
		err = record.ManagedBy(z.Owner)
	}
	return z, err
}

// NewChange makes a change of a zone, which is to be written with what it changes.
func NewChange(zone string, comment *string) record.Change {
	now := time.Now().UTC()
	return record.Change{ID: newChangeID(now), Zone: zone, Comment: comment, Submitted: now}
}

// Commit writes a zone that has changed, and what changed it.
func Commit(tx store.Tx, z record.Zone, c record.Change) error {
	z.Serial++
	if err := record.Changes.Put(tx, c.ID, c); err != nil {
		return err
	}
	return record.Zones.Put(tx, z.ID, z)
}

// Count counts the records of a table.
func Count[T any](tx store.Tx, t *store.Table[T]) (n int64, err error) {
	for _, err := range t.Peek(tx, "") {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Info is a change in an answer that was made right now.
func Info(c record.Change, status types.ChangeStatus) *types.ChangeInfo {
	return &types.ChangeInfo{Id: new(ChangePath + c.ID), Status: status, SubmittedAt: &c.Submitted, Comment: c.Comment}
}

// Linked is who owns something, in an answer.
func Linked(o *record.Owner) *types.LinkedService {
	if o == nil {
		return nil
	}
	return &types.LinkedService{ServicePrincipal: &o.Principal, Description: &o.Description}
}

// Size returns how many entries a page has: AWS cuts what is above the most.
func Size(asked *int32, most int) (int, error) {
	switch {
	case asked == nil:
		return most, nil
	case *asked < 1:
		return 0, record.InvalidInput("Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1", *asked)
	}
	return min(int(*asked), most), nil
}

// PageSize is how many entries the pages of most lists have at most.
const PageSize = 100

// privateServers are the name servers that each private zone names.
var privateServers = []string{"ns-1536.awsdns-00.co.uk.", "ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net."}

// Servers returns the name servers of a new zone.
func (s *Scope) Servers(private bool) []string {
	switch {
	case private:
		return privateServers
	case len(s.NameServers) > 0:
		return s.NameServers
	}
	var b [8]byte
	rand.Read(b[:])
	var all []string
	for i, top := range []string{"com", "net", "org", "co.uk"} {
		n := i*512 + (int(b[2*i])<<8|int(b[2*i+1]))%512
		all = append(all, fmt.Sprintf("ns-%d.awsdns-%02d.%s.", n, n%64, top))
	}
	return all
}

// Observed is what a health check saw.
type Observed struct {
	Said string // as in "Success: HTTP Status Code 200, OK"
	At   time.Time
}

// Checker runs health checks.
type Checker interface {
	// Last is what a check saw last in this process; ok is false where it has not looked yet.
	Last(check string) (o Observed, ok bool)
}
