package elbv2

import (
	"regexp"
	"strings"
)

// The kinds of logs of a balancer, by what their attributes begin with.
const (
	AccessLogs     = "access_logs.s3"
	ConnectionLogs = "connection_logs.s3"
	HealthLogs     = "health_check_logs.s3"

	logEnabled = ".enabled"
	logBucket  = ".bucket"
	logPrefix  = ".prefix"
)

// LogKinds are all kinds of logs.
var LogKinds = []string{AccessLogs, ConnectionLogs, HealthLogs}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

const (
	bucket      = "the name of an S3 bucket"
	logPrefixes = "a prefix of at most 512 characters without 'AWSLogs'"
)

func isBucket(s string) bool { return bucketName.MatchString(s) }

// isLogPrefix tells whether a prefix may stand before what the balancer calls its files
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html).
func isLogPrefix(s string) bool { return len(s) <= 512 && !strings.Contains(s, "AWSLogs") }

// LogTo says where a balancer's logs of a kind go, if they are on.
func (l LoadBalancer) LogTo(kind string) (bucket, prefix string, on bool) {
	return l.Attribute(kind + logBucket), l.Attribute(kind + logPrefix), l.Is(kind + logEnabled)
}

// LogKindOf returns the kind of logs that an attribute is about; "": none.
func LogKindOf(key string) string {
	for _, kind := range LogKinds {
		if strings.HasPrefix(key, kind+".") {
			return kind
		}
	}
	return ""
}
