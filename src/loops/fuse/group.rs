//! Groups: roots that are computed by one nest.
//!
//! In: the fates. Out: [`Groups`], each with a domain that all its members fit.
//! Invariant: the graph of groups is acyclic; a bit matrix of ancestors is
//! checked at each merge. A member is read by other members only at the index
//! where it was computed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Face, Graph, Op, ValueId};
use crate::loops::ir::{Affine, VarId};

use super::domain::{Domain, Level, Style};
use super::fate::{Class, Fates};
use super::reads::{reads_of_root, sources};

/// What computes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A loop nest.
    Loops,
    /// A wide product or a convolution, then a nest over its result.
    Product(ValueId),
    /// A kernel of its own that takes no other members.
    Own,
}

/// Roots of one nest.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// What computes it.
    pub kind: Kind,
    /// The iteration space.
    pub domain: Domain,
    /// In topological order.
    pub members: Vec<ValueId>,
    /// What the members read, without the members.
    pub sources: Vec<ValueId>,
}

/// All groups.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// `None` where a group was merged into another.
    pub groups: Vec<Option<Group>>,
    /// The group of each root.
    pub of: HashMap<ValueId, usize>,
    ancestors: Vec<Vec<u64>>,
}

/// Most members of a group.
const MEMBERS: usize = 24;
/// Most statements of a group.
const STATEMENTS: u32 = 250;
/// Candidates for a merge that are tried for each value read.
const TRIED: usize = 8;
/// A map of this many elements is not tied to a reduction with fewer than [`FEW_ROWS`] rows: it would lose its panels.
const LARGE: usize = 16_384;
/// See [`LARGE`].
const FEW_ROWS: usize = 8;

impl Groups {
    /// Groups the roots; with `fuse` off each stays alone.
    pub fn form(graph: &Graph, fates: &Fates, fuse: bool) -> Groups {
        let roots: Vec<ValueId> = (0..graph.nodes.len() as u32)
            .map(ValueId)
            .filter(|root| fates.live[root.index()] && fates.root[root.index()])
            .collect();
        let words = roots.len().div_ceil(64);
        let mut groups =
            Groups { groups: Vec::new(), of: HashMap::new(), ancestors: vec![vec![0; words]; roots.len()] };
        let mut readers: HashMap<ValueId, Vec<ValueId>> = HashMap::new();
        for root in roots {
            if groups.joins_sibling(graph, root) {
                continue;
            }
            let at = groups.add(graph, fates, root);
            if fuse {
                groups.place(graph, fates, at, root, &readers);
                for source in groups.sources_of(root) {
                    readers.entry(source).or_default().push(root);
                }
            }
        }
        groups
    }

    /// The groups that are left.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Group)> {
        self.groups.iter().enumerate().filter_map(|(at, group)| group.as_ref().map(|group| (at, group)))
    }

    /// The groups that `at` reads from.
    pub fn before(&self, at: usize) -> Vec<usize> {
        let sources = self.groups[at].iter().flat_map(|group| &group.sources);
        let mut before: Vec<usize> =
            sources.filter_map(|source| self.of.get(source).copied()).filter(|&other| other != at).collect();
        before.sort_unstable();
        before.dedup();
        before
    }

    fn sources_of(&self, root: ValueId) -> Vec<ValueId> {
        self.of.get(&root).and_then(|&at| self.groups[at].as_ref()).map_or(Vec::new(), |group| group.sources.clone())
    }

    /// Puts a result of a scan into the group of another result of the same scan. They read the same values, so no
    /// way between groups changes.
    fn joins_sibling(&mut self, graph: &Graph, root: ValueId) -> bool {
        let node = graph.node(root);
        let Op::Scan { scan, .. } = &node.op else { return false };
        let sibling = |group: &Group| {
            let other = graph.node(group.members[0]);
            matches!(&other.op, Op::Scan { scan: theirs, .. } if Arc::ptr_eq(scan, theirs))
                && other.operands == node.operands
        };
        let Some(at) = self.groups.iter().position(|group| group.as_ref().is_some_and(sibling)) else { return false };
        self.groups[at].iter_mut().for_each(|group| group.members.push(root));
        self.of.insert(root, at);
        true
    }

    fn add(&mut self, graph: &Graph, fates: &Fates, root: ValueId) -> usize {
        let at = self.groups.len();
        let kind = match fates.class[root.index()] {
            Class::Product => Kind::Product(root),
            Class::Own if takes_maps(graph, root) => Kind::Product(root),
            Class::Own => Kind::Own,
            Class::Memory | Class::Made | Class::View | Class::Map | Class::Reduce => Kind::Loops,
        };
        let sources = sources(graph, fates, root);
        self.groups.push(Some(Group { kind, domain: Domain::of(graph, fates, root), members: vec![root], sources }));
        self.of.insert(root, at);
        for before in self.before(at) {
            let above = self.ancestors[before].clone();
            self.ancestors[at].iter_mut().zip(above).for_each(|(word, other)| *word |= other);
            self.ancestors[at][before / 64] |= 1 << (before % 64);
        }
        at
    }

    /// Merges a new root's group with the groups it reads, then with readers of what it reads.
    fn place(
        &mut self,
        graph: &Graph,
        fates: &Fates,
        at: usize,
        root: ValueId,
        readers: &HashMap<ValueId, Vec<ValueId>>,
    ) {
        let mut at = at;
        let sources = self.sources_of(root);
        let producers: Vec<ValueId> =
            sources.iter().rev().copied().filter(|source| self.of.contains_key(source)).collect();
        let wide = |source: &&ValueId| graph.ty(**source).len() > 1;
        let siblings = sources
            .iter()
            .filter(wide)
            .filter_map(|source| readers.get(source))
            .flat_map(|seen| seen.iter().rev().take(TRIED));
        for (other, sibling) in producers.iter().map(|value| (value, false)).chain(siblings.map(|value| (value, true)))
        {
            let Some(&other) = self.of.get(other).filter(|&&other| other != at) else { continue };
            if self.mergeable(graph, fates, other, at, sibling) {
                self.merge(other, at);
                at = other;
            }
        }
    }

    fn mergeable(&self, graph: &Graph, fates: &Fates, a: usize, b: usize, sibling: bool) -> bool {
        let (Some(first), Some(second)) = (&self.groups[a], &self.groups[b]) else { return false };
        let Some(domain) = first.joinable(second, sibling) else { return false };
        let members: Vec<ValueId> = first.members.iter().chain(&second.members).copied().collect();
        let statements: u32 = members.iter().map(|member| fates.length[member.index()]).sum();
        members.len() <= MEMBERS
            && statements <= STATEMENTS
            && !self.cyclic(a, b)
            && reads_in_place(graph, fates, &domain, &members)
    }

    /// Whether a third group lies on a way from one to the other.
    fn cyclic(&self, a: usize, b: usize) -> bool {
        let has = |group: usize, ancestor: usize| self.ancestors[group][ancestor / 64] >> (ancestor % 64) & 1 == 1;
        let mut between = self.before(a);
        between.extend(self.before(b));
        between.into_iter().any(|third| third != a && third != b && (has(third, a) || has(third, b)))
    }

    /// `b` becomes part of `a`.
    fn merge(&mut self, a: usize, b: usize) {
        let Some(gone) = self.groups[b].take() else { return };
        let Some(group) = &mut self.groups[a] else { return };
        group.absorb(gone);
        for member in &group.members {
            self.of.insert(*member, a);
        }
        let mut above: Vec<u64> = self.ancestors[a].iter().zip(&self.ancestors[b]).map(|(a, b)| a | b).collect();
        for bit in [a, b] {
            above[bit / 64] &= !(1 << (bit % 64));
        }
        for at in 0..self.groups.len() {
            let reads = |bit: usize| self.ancestors[at][bit / 64] >> (bit % 64) & 1 == 1;
            if at != a && (reads(a) || reads(b)) {
                self.ancestors[at].iter_mut().zip(&above).for_each(|(word, other)| *word |= other);
                self.ancestors[at][a / 64] |= 1 << (a % 64);
            }
        }
        self.ancestors[a] = above;
    }
}

impl Group {
    /// The common domain, if the two kinds may be merged at all.
    fn joinable(&self, other: &Group, sibling: bool) -> Option<Domain> {
        let allowed = match (self.kind, other.kind) {
            (Kind::Loops, Kind::Loops) => true,
            (Kind::Product(_), Kind::Loops) | (Kind::Loops, Kind::Product(_)) => !sibling,
            (Kind::Product(_), Kind::Product(_)) | (Kind::Own, _) | (_, Kind::Own) => false,
        };
        // Rows of a convolution are pictures: nothing is reduced along one.
        let pictures = |group: &Group| matches!(group.kind, Kind::Product(_)) && group.domain.style == Style::Map;
        let domain = self.domain.join(&other.domain).filter(|_| allowed)?;
        if (pictures(self) || pictures(other)) && domain.style != Style::Map {
            return None;
        }
        let map_size =
            [self, other].iter().filter(|group| group.domain.style == Style::Map).map(|group| group.domain.len()).max();
        let loses_panels =
            domain.style != Style::Map && domain.rows() < FEW_ROWS && map_size.is_some_and(|size| size >= LARGE);
        (!loses_panels).then_some(domain)
    }

    fn absorb(&mut self, other: Group) {
        if let Some(domain) = self.domain.join(&other.domain) {
            self.domain = domain;
        }
        if let Kind::Product(_) = other.kind {
            self.kind = other.kind;
        }
        self.members.extend(other.members);
        self.members.sort_unstable();
        self.sources.extend(other.sources);
        self.sources.sort_unstable();
        self.sources.dedup();
        let members = &self.members;
        self.sources.retain(|source| !members.contains(source));
    }
}

/// Whether a value is a convolution that works image by image, so that maps of its result can follow in the same panel.
fn takes_maps(graph: &Graph, root: ValueId) -> bool {
    let node = graph.node(root);
    matches!(node.op, Op::Conv { face: Face::Out | Face::Input, .. }) && node.ty.shape[0] > 1
}

/// The symbolic loop variables of a domain.
pub(super) fn symbols(domain: &Domain) -> Vec<Affine> {
    (0..domain.axes.len() as u32).map(|axis| Affine::var(VarId(axis), 1)).collect()
}

/// Whether all members fit the domain, and read each other only where they were computed.
fn reads_in_place(graph: &Graph, fates: &Fates, domain: &Domain, members: &[ValueId]) -> bool {
    let at = symbols(domain);
    let mut spots = HashMap::new();
    for &member in members {
        match domain.spot(graph, fates, member, &at) {
            Some(spot) => spots.insert(member, spot),
            None => return false,
        };
    }
    let mut fine = true;
    for &member in members {
        let spot = &spots[&member];
        reads_of_root(graph, fates, member, spot, &mut |value, index| {
            if let Some(read) = spots.get(&value) {
                // A row reads other rows' points never: its index has no reduced variable.
                fine &= index == Some(&read.index[..]) && !(spot.level == Level::Row && read.level == Level::Full);
            }
        });
    }
    fine
}
