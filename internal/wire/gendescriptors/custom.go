package main

import (
	"cmp"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// The models that ship with botocore leave out what only readers of XML by hand must know: S3's errors stand alone
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), one of its answers is a single member, and the
// elements that others are have names of their own (each operation's page in the API reference).

// retyped are shapes, by service and name, that the SDK has in another type than the models: it says the same on the
// wire.
var retyped = map[string]string{
	"route53 MaxResults": "integer", "route53 PageMaxItems": "integer",
	"s3 Expires": "timestamp", "s3 NextPartNumberMarker": "string", "s3 PartNumberMarker": "string",
}

// unions are structures, by service and name, that the SDK has as unions, and the models don't say so.
var unions = map[string]bool{"s3 AnalyticsFilter": true, "s3 MetricsFilter": true}

// bareErrors are the services whose errors have no element around them.
var bareErrors = map[string]bool{"s3": true}

// regional are the services that have an endpoint for all regions, and others for each, which requests are signed for
// (https://docs.aws.amazon.com/general/latest/gr/s3.html).
var regional = map[string]bool{"s3": true}

// unsignedPayload are the services that take bodies which are not signed, or signed in chunks
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).
var unsignedPayload = map[string]bool{"s3": true}

// SQS's model has JSON's names alone. These are those of its query API, which old clients speak
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html).

// queryMembers are the names, by service and member, that lists and maps have in forms and in XML; "" is that of the
// shape of a list's elements.
var queryMembers = map[string]string{
	"sqs Actions": "ActionName", "sqs AWSAccountIds": "AWSAccountId", "sqs AttributeNames": "AttributeName", "sqs Attributes": "Attribute",
	"sqs BinaryListValues": "BinaryListValue", "sqs Entries": "", "sqs Failed": "", "sqs MessageAttributeNames": "MessageAttributeName",
	"sqs MessageAttributes": "MessageAttribute", "sqs MessageSystemAttributeNames": "MessageSystemAttributeName",
	"sqs MessageSystemAttributes": "MessageSystemAttribute", "sqs Messages": "", "sqs QueueUrls": "QueueUrl", "sqs queueUrls": "QueueUrl",
	"sqs Results": "", "sqs StringListValues": "StringListValue", "sqs Successful": "", "sqs TagKeys": "TagKey", "sqs Tags": "Tag", "sqs tags": "Tag",
}

// queryEntries are what the keys and values of maps are called there, by service and shape; where it is not here, "Name" and "Value".
var queryEntries = map[string][2]string{"sqs TagMap": {"Key", "Value"}}

// queryCodes are the codes that errors have there, by service and shape.
var queryCodes = map[string]string{
	"sqs BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"sqs BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"sqs EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"sqs InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"sqs KmsAccessDenied":              "KMS.AccessDeniedException",
	"sqs KmsDisabled":                  "KMS.DisabledException",
	"sqs KmsInvalidKeyUsage":           "KMS.InvalidKeyUsageException",
	"sqs KmsInvalidState":              "KMS.InvalidStateException",
	"sqs KmsNotFound":                  "KMS.NotFoundException",
	"sqs KmsOptInRequired":             "KMS.OptInRequired",
	"sqs KmsThrottled":                 "KMS.ThrottlingException",
	"sqs MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"sqs PurgeQueueInProgress":         "AWS.SimpleQueueService.PurgeQueueInProgress",
	"sqs QueueDeletedRecently":         "AWS.SimpleQueueService.QueueDeletedRecently",
	"sqs QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"sqs QueueNameExists":              "QueueAlreadyExists",
	"sqs TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"sqs UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}

// queryName is the name of a member in awsQuery, where the model doesn't say it.
func (g *generator) queryName(member string, r modelRef) string {
	name, ok := queryMembers[g.name+" "+member]
	if sh := g.model.Shapes[r.Shape]; ok && name == "" && sh.Member != nil {
		name = sh.Member.Shape
	}
	return other(cmp.Or(r.QueryName, name), member)
}

// entries gives a map the names that its keys and values have in awsQuery.
func (g *generator) entries(name string, sh *descriptor.Shape) {
	if g.name != "sqs" || sh.Key == nil {
		return
	}
	names, ok := queryEntries[g.name+" "+name]
	if !ok {
		names = [2]string{"Name", "Value"}
	}
	sh.Key.Query, sh.Element.Query = names[0], names[1]
}

// bare are the operations, by service and name, whose output's only member is the answer.
var bare = map[string]bool{"s3 GetBucketLocation": true}

// roots are the elements that answers are, by service and operation, where they are not called as the output's shape.
var roots = map[string]string{
	"s3 CompleteMultipartUpload":                    "CompleteMultipartUploadResult",
	"s3 CreateMultipartUpload":                      "InitiateMultipartUploadResult",
	"s3 CreateSession":                              "CreateSessionResult",
	"s3 DeleteObjects":                              "DeleteResult",
	"s3 GetBucketAccelerateConfiguration":           "AccelerateConfiguration",
	"s3 GetBucketAcl":                               "AccessControlPolicy",
	"s3 GetBucketCors":                              "CORSConfiguration",
	"s3 GetBucketLifecycleConfiguration":            "LifecycleConfiguration",
	"s3 GetBucketLogging":                           "BucketLoggingStatus",
	"s3 GetBucketRequestPayment":                    "RequestPaymentConfiguration",
	"s3 GetBucketTagging":                           "Tagging",
	"s3 GetBucketVersioning":                        "VersioningConfiguration",
	"s3 GetBucketWebsite":                           "WebsiteConfiguration",
	"s3 GetObjectAcl":                               "AccessControlPolicy",
	"s3 GetObjectAttributes":                        "GetObjectAttributesResponse",
	"s3 GetObjectTagging":                           "Tagging",
	"s3 ListBucketAnalyticsConfigurations":          "ListBucketAnalyticsConfigurationResult",
	"s3 ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsResult",
	"s3 ListBucketInventoryConfigurations":          "ListInventoryConfigurationsResult",
	"s3 ListBucketMetricsConfigurations":            "ListMetricsConfigurationsResult",
	"s3 ListBuckets":                                "ListAllMyBucketsResult",
	"s3 ListDirectoryBuckets":                       "ListAllMyDirectoryBucketsResult",
	"s3 ListMultipartUploads":                       "ListMultipartUploadsResult",
	"s3 ListObjectVersions":                         "ListVersionsResult",
	"s3 ListObjects":                                "ListBucketResult",
	"s3 ListObjectsV2":                              "ListBucketResult",
	"s3 ListParts":                                  "ListPartsResult",
}

func (g *generator) operation(op modelOperation) descriptor.Operation {
	d := descriptor.Operation{Input: op.Input.Shape, Output: op.Output.Shape, Wrapper: op.Output.ResultWrapper}
	if g.rest {
		key := g.name + " " + op.Name
		d.Root, d.Bare, d.Checksum = roots[key], bare[key], op.Checksum.Algorithm != ""
	}
	return d
}

// namespace returns that of the service's XML. REST services have it at their requests only.
func (g *generator) namespace() string {
	if ns := g.model.Metadata.XMLNamespace; ns != "" || !g.rest {
		return ns
	}
	for _, op := range g.model.Operations {
		if uri := op.Input.XMLNamespace.URI; uri != "" {
			return uri
		}
	}
	return ""
}
