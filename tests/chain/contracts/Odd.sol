// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// Answers with a word that means neither yes nor no, though it begins like yes.
contract Nonsense {
    fallback() external {
        assembly {
            mstore(0, 0x1626ba7e000000000000000000000000000000000000000000000000000000ff)
            return(0, 32)
        }
    }
}

/// Answers yes, but in four bytes, which is no answer of ERC-1271.
contract TooShort {
    fallback() external {
        assembly {
            mstore(0, 0x1626ba7e00000000000000000000000000000000000000000000000000000000)
            return(0, 4)
        }
    }
}

contract Reverts {
    fallback() external {
        revert("no");
    }
}

/// Reverts with the word that would be a yes.
contract RevertsWithYes {
    fallback() external {
        assembly {
            mstore(0, 0x1626ba7e00000000000000000000000000000000000000000000000000000000)
            revert(0, 32)
        }
    }
}

contract BurnsAllGas {
    fallback() external {
        while (true) {}
    }
}

/// Answers with a megabyte.
contract Floods {
    fallback() external {
        assembly {
            return(0, 1000000)
        }
    }
}

