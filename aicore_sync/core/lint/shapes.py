"""Which keys Argo's objects take and of which type: the part of Argo's schema that templates use.

Notation: `key` any value, `key:Kind` one object, `key:[Kind]` a list, `key:[[Kind]]` a list of lists, `key:text`,
`key:number`, `key:flag`, `key:map`, `key:[text]`; a mark `!` behind a key means that it must be there. Source: Argo
Workflows' published JSON schema (3.5 to 3.7), which AI Core's executor follows; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Key(NamedTuple):
    """One key of an object: its type ("" any), how many lists are around it, and whether it must be there."""

    type: str = ""
    depth: int = 0
    needed: bool = False


_CONTAINER = """args:[text] command:[text] env:[EnvVar] envFrom:[EnvFrom] image:text imagePullPolicy:text lifecycle
 livenessProbe name:text ports readinessProbe resizePolicy resources restartPolicy restartPolicyRules
 securityContext startupProbe stdin:flag stdinOnce:flag terminationMessagePath:text terminationMessagePolicy:text
 tty:flag volumeDevices volumeMounts:[VolumeMount] workingDir:text"""
_TASK = """arguments:Arguments continueOn:ContinueOn hooks:map inline:Template name:text onExit:text template:text
 templateRef:TemplateRef when:text withItems withParam:text withSequence:Sequence"""
_REF = "key! name:text optional:flag"
_TEXTS = {
    "WorkflowTemplate": "apiVersion:text kind:text metadata:ObjectMeta! spec:WorkflowSpec!",
    "ObjectMeta": """annotations:map creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers
 generateName:text generation labels:map managedFields name:text namespace:text ownerReferences resourceVersion
 selfLink uid""",
    "WorkflowSpec": """activeDeadlineSeconds:number affinity:map archiveLogs:flag arguments:Arguments artifactGC:map
 artifactRepositoryRef:map automountServiceAccountToken:flag dnsConfig:map dnsPolicy:text entrypoint:text
 executor:map executorPlugins hooks:map hostAliases hostNetwork:flag imagePullSecrets:[LocalReference] metrics:map
 nodeSelector:map onExit:text parallelism:number podDisruptionBudget:map podGC:map podMetadata:Metadata
 podPriorityClassName:text podResources:map podSpecPatch:text priority:number resourceClaims
 retryStrategy:RetryStrategy schedulerName:text securityContext:map serviceAccountName:text shutdown:text
 suspend:flag synchronization:map templateDefaults:Template templates:[Template] tolerations ttlStrategy:map
 volumeClaimGC:map volumeClaimTemplates:[VolumeClaim] volumes:[Volume] workflowMetadata:map
 workflowTemplateRef:map""",
    "Template": """activeDeadlineSeconds affinity:map annotations:map archiveLocation:map
 automountServiceAccountToken:flag container:Container containerSet:ContainerSet daemon:flag dag:Dag data:map
 executor:map failFast:flag hostAliases http:map initContainers:[UserContainer] inputs:Inputs memoize:map
 metadata:Metadata metrics:map name:text nodeSelector:map outputs:Outputs parallelism:number pendingTimeout:text
 plugin podResources:map podSpecPatch:text priorityClassName:text resource:map resourceClaims
 retryStrategy:RetryStrategy schedulerName:text script:Script securityContext:map serviceAccountName:text
 sidecars:[UserContainer] steps:[[Step]] suspend:Suspend synchronization:map timeout:text tolerations
 volumes:[Volume]""",
    "Metadata": "annotations:map labels:map",
    "Dag": "failFast:flag target:text tasks:[Task]!",
    "Task": _TASK.replace("name:text", "name:text!") + " dependencies:[text] depends:text",
    "Step": _TASK,
    "Arguments": "artifacts:[Artifact] parameters:[Parameter]",
    "Inputs": "artifacts:[Artifact] parameters:[Parameter]",
    "Outputs": "artifacts:[Artifact] exitCode result parameters:[Parameter]",
    "Parameter": "default description:text enum globalName:text name:text! value valueFrom:ValueFrom",
    "ValueFrom": """configMapKeyRef:Reference default event:text expression:text jqFilter:text jsonPath:text
 parameter:text path:text supplied:map""",
    "Artifact": """archive:Archive archiveLogs:flag artifactGC:map artifactory:map azure:map deleted:flag from:text
 fromExpression:text gcs:map git:map globalName:text hdfs:map http:map mode:number name:text optional:flag
 oss:map path:text plugin raw:map recurseMode:flag s3:S3 subPath:text""",
    "Archive": "none:map tar:map zip:map",
    "S3": """accessKeySecret:Reference addressingStyle:text bucket:text caSecret:Reference
 createBucketIfNotPresent:map encryptionOptions:map endpoint:text insecure:flag key:text region:text roleARN:text
 secretKeySecret:Reference sessionTokenSecret:Reference useSDKCreds:flag""",
    "Container": _CONTAINER,
    "Script": _CONTAINER + " source:text",
    "UserContainer": _CONTAINER.replace("name:text", "name:text!") + " mirrorVolumeMounts:flag",
    "ContainerNode": _CONTAINER.replace("name:text", "name:text!") + " dependencies:[text]",
    "ContainerSet": "containers:[ContainerNode]! retryStrategy:map volumeMounts:[VolumeMount]",
    "EnvVar": "name:text! value valueFrom:EnvSource",
    "EnvSource": """configMapKeyRef:Reference fieldRef:map fileKeyRef:map resourceFieldRef:map
 secretKeyRef:Reference""",
    "EnvFrom": "configMapRef:Optional prefix:text secretRef:Optional",
    "Reference": _REF.replace("key!", "key:text!"),
    "Optional": "name:text optional:flag",
    "LocalReference": "name:text",
    "VolumeMount": """mountPath:text! mountPropagation:text name:text! readOnly:flag recursiveReadOnly:text
 subPath:text subPathExpr:text""",
    "Volume": """awsElasticBlockStore:map azureDisk:map azureFile:map cephfs:map cinder:map configMap:map csi:map
 downwardAPI:map emptyDir:map ephemeral:map fc:map flexVolume:map flocker:map gcePersistentDisk:map gitRepo:map
 glusterfs:map hostPath:map image:map iscsi:map name:text! nfs:map persistentVolumeClaim:map
 photonPersistentDisk:map portworxVolume:map projected:map quobyte:map rbd:map scaleIO:map secret:VolumeSecret
 storageos:map vsphereVolume:map""",
    "VolumeSecret": "defaultMode:number items optional:flag secretName:text",
    "VolumeClaim": "apiVersion:text kind:text metadata:ObjectMeta spec:VolumeClaimSpec status:map",
    "VolumeClaimSpec": """accessModes:[text] dataSource:map dataSourceRef:map resources:map selector:map
 storageClassName:text volumeAttributesClassName:text volumeMode:text volumeName:text""",
    "RetryStrategy": "affinity:map backoff:Backoff expression:text limit retryPolicy:text",
    "Backoff": "cap:text duration:text factor maxDuration:text",
    "Sequence": "count end format:text start",
    "ContinueOn": "error:flag failed:flag",
    "TemplateRef": "clusterScope:flag name:text template:text",
    "Suspend": "duration:text",
    # AI Core's own kind, from its page on serving templates.
    "ServingTemplate": "apiVersion:text kind:text metadata:ObjectMeta! spec:ServingSpec!",
    "ServingSpec": "inputs:ServingInputs template:map!",
    "ServingInputs": "artifacts:[ServingArtifact] parameters:[ServingParameter]",
    "ServingArtifact": "name:text!",
    "ServingParameter": "default description:text name:text! type:text",
}


def _key(text: str) -> tuple[str, Key]:
    name, _, kind = text.rstrip("!").partition(":")
    return name, Key(kind.strip("[]"), kind.count("["), text.endswith("!"))


SHAPES: Mapping[str, Mapping[str, Key]] = {
    kind: dict(_key(word) for word in text.split()) for kind, text in _TEXTS.items()
}
