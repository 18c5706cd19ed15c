package ecs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
)

// network is what the API asks of EC2 before it promises a place for a task.
type network interface {
	// CheckPlacement says, by an error that names it, which subnet or group does
	// not exist, fills in the default group when groups is empty, and tells the
	// availability zones of the subnets.
	CheckPlacement(ctx context.Context, subnets, groups []string) (withDefault, zones []string, err error)
}

// balancing is what the API asks of load balancing.
type balancing interface {
	// GroupBalancers returns the balancers that forward to the target group and
	// the group's target type; an error when there is no such group.
	GroupBalancers(ctx context.Context, group string) (balancers []string, targetType string, err error)
	// Weights returns the target groups that a listener rule forwards to, with
	// their weights; an error when there is no such rule.
	Weights(ctx context.Context, rule string) (map[string]int32, error)
}

// API is the ECS service's handlers.
type API struct {
	db   store.DB
	ns   arn.Namespace
	net  network
	lb   balancing
	room capacity
}

// New returns the handlers over db.
func New(db store.DB, ns arn.Namespace, net network, lb balancing, room capacity) *API {
	return &API{db: db, ns: ns, net: net, lb: lb, room: room}
}

// now is the time as AWS's JSON has it: milliseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// at returns t as the API has it: nil when it hasn't happened.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// str returns s as the API has it: nil when it is empty.
func str(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// invalid is ECS's InvalidParameterException.
func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// client is ECS's ClientException.
func client(format string, args ...any) error {
	return &types.ClientException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// failure is an entry of the failures of a batch operation.
func failure(arn, reason string) types.Failure {
	return types.Failure{Arn: &arn, Reason: &reason}
}

// missing says that err is the store's word that there is no such record.
func missing(err error) bool { return errors.Is(err, store.ErrNotFound) }

// tagsOf returns the tags when include asks for them.
func tagsOf[T ~string](include []T, want T, tags []types.Tag) []types.Tag {
	if !slices.Contains(include, want) {
		return nil
	}
	return append([]types.Tag{}, tags...)
}

// tokenMark begins what a token of ours holds.
const tokenMark = "after "

// page cuts all (in the order of their keys, or against it when desc) to at most
// n entries behind token, and returns the token of the next page. A token holds
// the last key of a page, so that nothing is skipped or told twice when entries
// come and go meanwhile.
func page[T any](all []T, key func(T) string, desc bool, token *string, n int32) ([]T, *string, error) {
	last, err := position(token)
	if err != nil {
		return nil, nil, err
	}
	if last != "" {
		behind := slices.IndexFunc(all, func(v T) bool {
			k := key(v)
			return k != last && (k > last) != desc
		})
		if behind < 0 {
			behind = len(all)
		}
		all = all[behind:]
	}
	if len(all) <= int(n) {
		return all, nil, nil
	}
	all = all[:n]
	return all, positionAt(key(all[n-1])), nil
}

// position reads a token: the key behind which a page begins, "" for the first.
func position(token *string) (after string, err error) {
	if aws.ToString(token) == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	after, ok := strings.CutPrefix(string(b), tokenMark)
	if err != nil || !ok {
		return "", invalid("Invalid token: nextToken is not one that was returned.")
	}
	return after, nil
}

// positionAt is the token of the page behind the key.
func positionAt(last string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString([]byte(tokenMark + last)))
}

// itself is the key of what is its own.
func itself(s string) string { return s }

// limit reads maxResults, 1 to most; most when it is not given.
func limit(n *int32, most int32) (int32, error) {
	if n == nil {
		return most, nil
	}
	if *n < 1 || *n > most {
		return 0, invalid("maxResults must be between 1 and %d.", most)
	}
	return *n, nil
}
