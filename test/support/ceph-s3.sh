#!/bin/bash
# ceph-s3.sh <root-with-extracted-debs> <state-dir> <s3-port> : mon + osd(memstore) + radosgw, 127.0.0.1 only; prints READY
set -eu; R=$1; S=$2; P=$3; M=$((P+1)); V1=$((P+2))
export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/usr/lib/x86_64-linux-gnu/ceph:$R/usr/lib/ceph:$R/lib/x86_64-linux-gnu PATH=$R/usr/bin:$PATH
mkdir -p $S/{mon,osd,rgw,log}; F=$(cat /proc/sys/kernel/random/uuid); U=$(cat /proc/sys/kernel/random/uuid)
cat > $S/ceph.conf <<C
[global]
fsid=$F
mon host=[v2:127.0.0.1:$M,v1:127.0.0.1:$V1]
keyring=$S/keyring
osd pool default size=1
osd pool default min size=1
mon allow pool size one=true
osd pool default pg num=1
osd pool default pgp num=1
osd pool default pg autoscale mode=off
mon max pg per osd=1000
osd crush chooseleaf type=0
run dir=$S
pid file=$S/\$name.pid
admin socket=$S/\$name.asok
log file=$S/log/\$name.log
crash dir=$S
erasure code dir=$R/usr/lib/x86_64-linux-gnu/ceph/erasure-code
plugin dir=$R/usr/lib/x86_64-linux-gnu/ceph
osd class dir=$R/usr/lib/x86_64-linux-gnu/rados-classes
public addr=127.0.0.1
cluster addr=127.0.0.1
mon data avail crit=1
mon data avail warn=1
mon data=$S/mon
osd data=$S/osd
osd objectstore=memstore
memstore device bytes=6442450944
rgw data=$S/rgw
rgw frontends=beast endpoint=127.0.0.1:$P tcp_nodelay=1
rgw thread pool size=16
rgw lc debug interval=10
C
k(){ ceph-authtool $S/keyring "$@" >/dev/null; }
ceph-authtool -C $S/keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
k --gen-key -n osd.0 --cap mon 'allow *' --cap osd 'allow *'; k --gen-key -n client.rgw --cap mon 'allow *' --cap osd 'allow *'
monmaptool --create --clobber --fsid $F --addv a "[v2:127.0.0.1:$M,v1:127.0.0.1:$V1]" $S/monmap >/dev/null
ceph-mon -c $S/ceph.conf --mkfs -i a --monmap $S/monmap --keyring $S/keyring >/dev/null 2>&1
ceph-mon -c $S/ceph.conf -i a -f >$S/mon.out 2>&1 & echo $! > $S/pids
# osd registration without the python CLI: "osd new" needs a mon command; rados/ceph CLI is python, so use it once
PYTHONPATH=$R/usr/lib/python3/dist-packages ceph -c $S/ceph.conf -n client.rgw -k $S/keyring osd new $U >/dev/null
ceph-osd -c $S/ceph.conf -i 0 --mkfs --osd-uuid $U --no-mon-config >/dev/null 2>&1
ceph-osd -c $S/ceph.conf -i 0 -f >$S/osd.out 2>&1 & echo $! >> $S/pids
radosgw -c $S/ceph.conf -n client.rgw -f >$S/rgw.out 2>&1 & echo $! >> $S/pids
for i in $(seq 1 600); do curl -fs -o /dev/null http://127.0.0.1:$P/ && break; sleep 0.1; done
radosgw-admin -c $S/ceph.conf -n client.rgw user create --uid=t --display-name=t --access-key=AKTEST --secret-key=SKTEST >/dev/null 2>&1
echo READY; wait
